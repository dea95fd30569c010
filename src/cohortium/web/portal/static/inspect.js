// Keys, frames and rectangles of the page on which one item is inspected. Nothing it shows is kept anywhere.

const page = document.querySelector("[data-inspect]");
const form = page.querySelector("form.deciding");
const drawing = page.querySelector("[data-draw]");
const redact = page.querySelector("[data-redact]");
const slider = page.querySelector("#frame");
const areas = [];
let draft = null;

const NEW = "http://www.w3.org/2000/svg";
const bounds = () => drawing.viewBox.baseVal;

function put({ x, y, width, height }, kind) {
  const shape = document.createElementNS(NEW, "rect");
  for (const [name, value] of Object.entries({ x, y, width, height, class: kind })) shape.setAttribute(name, value);
  drawing.append(shape);
}

function say(text, where = "[data-said]") {
  const line = page.querySelector(where);
  if (line) line.textContent = text;
}

function paint() {
  for (const old of drawing.querySelectorAll(".kept, .draft")) old.remove();
  for (const each of areas) put(each, "kept");
  if (draft) put(draft, "draft");
  form.elements.areas.value = areas.map(({ x, y, width, height }) => `${x},${y},${width},${height}`).join(";");
}

function within(box) {
  const { width: columns, height: rows } = bounds();
  const width = Math.min(Math.max(1, Math.round(box.width)), columns);
  const height = Math.min(Math.max(1, Math.round(box.height)), rows);
  const x = Math.min(Math.max(0, Math.round(box.x)), columns - width);
  const y = Math.min(Math.max(0, Math.round(box.y)), rows - height);
  return { x, y, width, height };
}

function begin() {
  const { width, height } = bounds();
  draft = within({ x: width * 0.35, y: height * 0.4, width: width * 0.3, height: height * 0.2 });
  redact.setAttribute("aria-pressed", "true");
  say("Arrows move the rectangle, Shift and arrows size it; Enter keeps it, Escape drops it.");
  paint();
}

function end(keep) {
  if (keep && draft) areas.push(draft);
  draft = null;
  redact.setAttribute("aria-pressed", "false");
  say(areas.length ? `${areas.length} to be blanked. Approve to make it anew so; Backspace takes the last back.` : "");
  paint();
}

function moved(key, sizing) {
  const step = Math.max(1, Math.round(bounds().width / 64));
  const [across, down] = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[key];
  return within(
    sizing
      ? { ...draft, width: draft.width + across, height: draft.height + down }
      : { ...draft, x: draft.x + across, y: draft.y + down },
  );
}

function decide(verdict) {
  const button = form?.querySelector(`button[value="${verdict}"]`);
  if (button) form.requestSubmit(button);
}

function onKey(event) {
  if (event.target.matches("input:not([type=range]), textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
  const { key } = event;
  const acts = {
    j: () => page.querySelector("[rel=next]")?.click(),
    k: () => page.querySelector("[rel=prev]")?.click(),
    a: () => decide("release"),
    x: () => decide("reject"),
    r: () => redact && begin(),
    ArrowLeft: () => step(-1),
    ArrowRight: () => step(1),
  };
  if (draft) {
    if (key.startsWith("Arrow")) draft = moved(key, event.shiftKey);
    else if (key === "Enter" || key === "Escape") return event.preventDefault(), end(key === "Enter");
    else return;
    paint();
  } else if (key === "Backspace" && areas.length) {
    areas.pop();
    end(false);
  } else if (acts[key]) {
    acts[key]();
  } else return;
  event.preventDefault();
}

function step(by) {
  if (!slider || document.activeElement === slider) return;
  slider.value = Number(slider.value) + by;
  slider.dispatchEvent(new Event("input"));
}

function at(event) {
  const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(drawing.getScreenCTM().inverse());
  return [x, y];
}

function drag() {
  let from = null;
  drawing.addEventListener("pointerdown", (event) => {
    from = at(event);
    drawing.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  drawing.addEventListener("pointermove", (event) => {
    if (!from) return;
    const [x, y] = at(event);
    draft = within({ x: Math.min(x, from[0]), y: Math.min(y, from[1]), width: Math.abs(x - from[0]), height: Math.abs(y - from[1]) });
    paint();
  });
  drawing.addEventListener("pointerup", () => {
    from = null;
    end(draft !== null && draft.width > 2 && draft.height > 2);
  });
}

async function suspect() {
  say("Looking for text in the picture…", "[data-reading]");
  const frame = slider ? Number(slider.value) - 1 : 0;
  const answer = await fetch(`/inspect/${page.dataset.item}/boxes?frame=${frame}`).catch(() => null);
  if (!answer?.ok) return say("Text could not be looked for.", "[data-reading]");
  const found = await answer.json();
  for (const old of drawing.querySelectorAll(".suspect")) old.remove();
  for (const [x, y, width, height] of found) put({ x, y, width, height }, "suspect");
  say(found.length ? `${found.length} places look like text; they are outlined.` : "No text was found by the reader. Look yourself.", "[data-reading]");
}

slider?.addEventListener("input", () => {
  page.querySelector("output[for=frame]").textContent = slider.value;
  for (const picture of page.querySelectorAll("[data-picture]")) {
    picture.setAttribute("href", `${picture.dataset.picture}?frame=${Number(slider.value) - 1}`);
  }
});
if (drawing && form) drag();
redact?.addEventListener("click", () => (draft ? end(true) : begin()));
addEventListener("keydown", onKey);
if (drawing && "reads" in page.dataset) suspect();
