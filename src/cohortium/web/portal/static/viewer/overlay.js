// What is written around the image: where, how windowed, which way up, how large.

const $ = (selector) => document.querySelector(selector);
const text = Object.fromEntries([...document.querySelectorAll("[data-text]")].map((e) => [e.dataset.text, e]));
const edges = Object.fromEntries([...document.querySelectorAll("[data-edge]")].map((e) => [e.dataset.edge, e]));
const bar = $("[data-scale]");
const barText = $("[data-scale-text]");
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500];

const put = (element, content) => { if (element.textContent !== content) element.textContent = content; };

export const short = (number) => {
  const size = Math.abs(number);
  return size >= 1e6 ? number.toExponential(2) : size >= 100 || Number.isInteger(number) ? number.toFixed(0) : size >= 1 ? number.toFixed(1) : number.toPrecision(2);
};

// PS3.3 C.7.6.1.1.1: letters of the axes that a direction follows, strongest first.
export function letters(direction) {
  const names = [["L", "R"], ["P", "A"], ["H", "F"]];
  return direction
    .map((part, axis) => ({ part: Math.abs(part), letter: names[axis][part > 0 ? 0 : 1] }))
    .filter(({ part }) => part > 0.25)
    .sort((a, b) => b.part - a.part)
    .map(({ letter }) => letter)
    .join("");
}

export function showOrientation(orientation) {
  const [right, down] = orientation ? [orientation.slice(0, 3), orientation.slice(3)] : [null, null];
  const opposite = (direction) => direction.map((part) => -part);
  put(edges.right, right ? letters(right) : "");
  put(edges.left, right ? letters(opposite(right)) : "");
  put(edges.bottom, down ? letters(down) : "");
  put(edges.top, down ? letters(opposite(down)) : "");
}

export function showPlace(index, count, place, frame) {
  const position = place.position ?? null;
  const lines = [`Image ${index + 1} of ${count}`];
  if (position !== null) lines.push(`Position ${position.toFixed(1)} mm`);
  lines.push(`${frame.columns} × ${frame.rows}`);
  put(text.where, lines.join("\n"));
}

export function showWindow(look, unit, zoom) {
  put(text.window, `C ${short(look.centre)}  W ${short(look.width)}${unit ? ` ${unit}` : ""}`);
  put(text.zoom, `${Math.round(zoom * 100)} %`);
}

export function showValue(frame, pixel) {
  if (!pixel) return put(text.value, "");
  const at = pixel.row * frame.columns + pixel.column;
  const value = frame.type === "rgb8" ? [...frame.samples.subarray(3 * at, 3 * at + 3)].join(" ") : short(frame.samples[at]);
  return put(text.value, `${value} ${frame.unit}  (${pixel.column}, ${pixel.row})`);
}

// A bar of a round length, at most a quarter of the width.
export function showScale(frame, scale, width) {
  bar.hidden = !frame.spacing;
  if (!frame.spacing) return;
  const perMillimetre = scale.across / frame.spacing[1];
  const length = STEPS.findLast((step) => step * perMillimetre < width / 4) ?? STEPS[0];
  bar.style.width = `${length * perMillimetre}px`;
  put(barText, length >= 10 ? `${length / 10} cm` : `${length} mm`);
}
