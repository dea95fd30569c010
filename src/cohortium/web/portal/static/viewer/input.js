// Mouse, fingers, keys: turned into calls on `viewer`, which does not know where they come from.

const NOTCH = 50; // a wheel event of at least this is one notch of a mouse wheel
const SWIPE = 24; // pixels of a trackpad or finger for one slice

export function listen(stage, viewer) {
  wheel(stage, viewer);
  pointers(stage, viewer);
  keys(viewer);
}

function wheel(stage, viewer) {
  let swept = 0;
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = stage.getBoundingClientRect();
    const amount = event.deltaMode ? event.deltaY * NOTCH : event.deltaY;
    if (event.ctrlKey || event.metaKey) {
      viewer.zoomAt(Math.exp(-Math.max(-NOTCH, Math.min(NOTCH, amount)) / 250), event.clientX - box.left, event.clientY - box.top);
    } else if (Math.abs(amount) >= NOTCH) {
      viewer.step(Math.sign(amount));
    } else {
      swept += amount;
      const steps = Math.trunc(swept / SWIPE);
      swept -= steps * SWIPE;
      if (steps) viewer.step(steps);
    }
  }, { passive: false });
}

function pointers(stage, viewer) {
  const down = new Map();
  let swept = 0;
  let apart = 0;
  const at = (event) => {
    const box = stage.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId);
    down.set(event.pointerId, { ...at(event), tool: toolOf(event, viewer.tool) });
    swept = apart = 0;
    if (event.button === 1) event.preventDefault();
  });
  for (const over of ["pointerup", "pointercancel"]) stage.addEventListener(over, (event) => down.delete(event.pointerId));
  stage.addEventListener("contextmenu", (event) => event.preventDefault());
  stage.addEventListener("pointerleave", () => viewer.point(null));
  stage.addEventListener("pointermove", (event) => {
    const now = at(event);
    viewer.point(now);
    const before = down.get(event.pointerId);
    if (!before) return;
    const [dx, dy] = [now.x - before.x, now.y - before.y];
    Object.assign(before, now);
    if (down.size === 2) apart = pinch([...down.values()], dx / 2, dy / 2, apart, viewer);
    else if (before.tool === "scroll") swept = scroll(swept + dy, viewer);
    else if (before.tool === "pan") viewer.move(dx, dy);
    else if (before.tool === "zoom") viewer.zoomAt(Math.exp(-dy / 150), stage.clientWidth / 2, stage.clientHeight / 2);
    else viewer.window(dx, dy);
  });
}

function toolOf(event, chosen) {
  if (event.pointerType === "touch" && chosen === "window") return "scroll";
  if (event.button === 1 || event.shiftKey) return "pan";
  return event.button === 2 ? "zoom" : chosen;
}

function pinch([one, other], dx, dy, apart, viewer) {
  const distance = Math.hypot(one.x - other.x, one.y - other.y);
  viewer.move(dx, dy);
  if (apart > 0 && distance > 0) viewer.zoomAt(distance / apart, (one.x + other.x) / 2, (one.y + other.y) / 2);
  return distance;
}

function scroll(swept, viewer) {
  const steps = Math.trunc(swept / (SWIPE / 2));
  if (steps) viewer.step(steps);
  return swept - steps * (SWIPE / 2);
}

function keys(viewer) {
  const table = {
    ArrowDown: () => viewer.step(1), ArrowRight: () => viewer.step(1),
    ArrowUp: () => viewer.step(-1), ArrowLeft: () => viewer.step(-1),
    PageDown: () => viewer.step(10), PageUp: () => viewer.step(-10),
    Home: () => viewer.show(0), End: () => viewer.show(viewer.count - 1),
    "+": () => viewer.zoomIn(1.25), "=": () => viewer.zoomIn(1.25), "-": () => viewer.zoomIn(0.8),
    " ": () => viewer.play(), "?": () => viewer.help(),
    i: () => viewer.invert(), r: () => viewer.reset(), c: () => viewer.nextColours(), o: () => viewer.bare(),
    w: () => viewer.use("window"), p: () => viewer.use("pan"), z: () => viewer.use("zoom"),
    ...Object.fromEntries("0123456789".split("").map((digit) => [digit, () => viewer.preset(Number(digit))])),
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const element = event.target;
    if (element.matches("select, input:not([type=range])")) return;
    if (event.key === " " && element.matches("button, a")) return;
    const act = table[event.key] ?? table[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
