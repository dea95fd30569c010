// A scan on a canvas. `Viewer` holds what is being looked at and how; everything is drawn once a display frame.

import { listen } from "./input.js";
import { short, showOrientation, showPlace, showScale, showValue, showWindow } from "./overlay.js";
import { COLOURS, Painter } from "./paint.js";
import { Stack } from "./stack.js";
import { View } from "./view.js";

const $ = (selector) => document.querySelector(selector);

const OWN = "As acquired"; // a window that the object brings; one found from the values would flicker

class Viewer {
  constructor(scan, page) {
    this.scan = scan;
    this.page = page;
    this.view = new View(page.canvas);
    this.painter = new Painter();
    this.stack = new Stack(scan.frames, () => this.redraw());
    this.tool = "window";
    this.look = null; // {centre, width, inverted, colours}: from the first frame that is shown
    this.follows = true; // each frame is shown under its own window, until a person chooses one
    this.pointer = null;
    this.playing = 0;
    this.dirty = false;
    this.show(this.opening());
  }

  get count() { return this.stack.length; }
  get frame() { return this.stack.frames[this.index]; }

  // Slices through a body open in the middle, where there is something to see; all else at the beginning.
  opening() {
    const asked = Number(new URLSearchParams(location.hash.slice(1)).get("image"));
    if (asked >= 1 && asked <= this.count) return asked - 1;
    return this.scan.frames.every((place) => place.position !== null) ? Math.floor(this.count / 2) : 0;
  }

  show(index) {
    this.index = Math.max(0, Math.min(this.count - 1, index));
    this.stack.goTo(this.index);
    this.redraw();
  }

  step(by) { this.show(this.index + by); }

  adopt(frame) {
    const own = { centre: frame.window.centre, width: frame.window.width };
    // PET is read dark on white.
    this.opened = { ...own, inverted: frame.inverted !== (this.scan.Modality === "PT"), colours: "grey" };
    this.look = { ...this.opened };
    this.page.coloursField.hidden = frame.type === "rgb8";
    this.page.offerPresets([{ name: frame.window.name, ...own }, ...(frame.type === "int16" ? this.scan.presets : [])]);
  }

  redraw() {
    if (this.dirty) return;
    this.dirty = true;
    requestAnimationFrame(() => {
      this.dirty = false;
      this.draw();
    });
  }

  draw() {
    this.view.resize();
    this.page.showNumber(this.index, this.count);
    this.page.showLoaded(this.stack.frames);
    const frame = this.frame;
    if (!frame?.samples) {
      this.page.say(frame?.problem ?? "Loading …", Boolean(frame));
      if (frame?.problem) this.view.clear();
      return;
    }
    this.page.say("");
    if (!this.look) this.adopt(frame);
    if (this.follows && frame.window.name === OWN) {
      Object.assign(this.look, { centre: frame.window.centre, width: frame.window.width });
    }
    this.painter.paint(frame, this.look, this.view.words(frame));
    this.view.draw(frame);
    showOrientation(frame.orientation);
    showPlace(this.index, this.count, this.scan.frames[this.index], frame);
    showWindow(this.look, frame.unit, this.view.zoom);
    showScale(frame, this.view.scale(frame), this.page.canvas.clientWidth);
    showValue(frame, this.pointer && this.view.pixelAt(frame, this.pointer.x, this.pointer.y));
    this.page.showLook(this.look);
    this.page.canvas.dataset.shown = this.index + 1; // what is on the canvas now, for whoever asks
  }

  // A drag: sideways the width, up and down the centre, in proportion to the width there is.
  window(dx, dy) {
    if (!this.look) return;
    this.follows = false;
    const grain = Math.max(this.look.width, this.opened.width / 50) / 300;
    const least = this.frame?.type === "float32" ? this.opened.width / 1000 : 1;
    this.look.width = Math.max(least, this.look.width + dx * grain);
    this.look.centre += dy * grain;
    this.page.choosePreset(-1);
    this.redraw();
  }

  preset(number) {
    const chosen = this.page.presets[number];
    if (!chosen || !this.look) return;
    this.follows = number === 0;
    Object.assign(this.look, { centre: chosen.centre, width: chosen.width });
    this.page.choosePreset(number);
    this.redraw();
  }

  invert() {
    if (this.look) this.look.inverted = !this.look.inverted;
    this.redraw();
  }

  colours(name) {
    if (this.look) this.look.colours = name;
    this.redraw();
  }

  nextColours() { this.colours(COLOURS[(COLOURS.indexOf(this.look?.colours) + 1) % COLOURS.length]); }

  reset() {
    this.view.reset();
    this.follows = true;
    if (this.look) this.look = { ...this.opened };
    this.page.choosePreset(0);
    this.redraw();
  }

  zoomAt(factor, x, y) {
    this.view.zoomAt(factor, x, y);
    this.redraw();
  }

  zoomIn(factor) { this.zoomAt(factor, this.page.canvas.clientWidth / 2, this.page.canvas.clientHeight / 2); }

  move(dx, dy) {
    this.view.move(dx, dy);
    this.redraw();
  }

  point(where) {
    this.pointer = where;
    if (this.frame?.samples) showValue(this.frame, where && this.view.pixelAt(this.frame, where.x, where.y));
  }

  use(tool) {
    this.tool = tool;
    this.page.showTool(tool);
  }

  bare() { this.page.stage.classList.toggle("bare"); }

  help() { this.page.dialog.showModal(); }

  play() {
    clearInterval(this.playing);
    this.playing = this.playing || this.count < 2 ? 0 : setInterval(() => this.advance(), 1000 / this.page.speed());
    this.page.showPlaying(Boolean(this.playing));
  }

  // Waits for what has not arrived yet, rather than skip it.
  advance() {
    const next = (this.index + 1) % this.count;
    if (this.stack.frames[next]) this.show(next);
    else this.stack.goTo(next);
  }
}

class Page {
  constructor() {
    this.canvas = $("[data-canvas]");
    this.stage = $("[data-stage]");
    this.dialog = $("[data-dialog]");
    this.slider = $("[data-slider]");
    this.loaded = $("[data-loaded]");
    this.message = $("[data-message]");
    this.coloursField = $("[data-colours]");
    this.presetField = $("[data-preset]");
    this.presets = [];
  }

  offerPresets(presets) {
    this.presets = presets;
    const label = ({ name, centre, width }, i) => new Option(`${i ? `${i}  ` : ""}${name}`, i);
    this.presetField.replaceChildren(...presets.map(label), Object.assign(new Option("By hand", -1), { hidden: true }));
    presets.forEach((each, i) => { this.presetField.options[i].title = `C ${short(each.centre)} W ${short(each.width)}`; });
  }

  choosePreset(number) { this.presetField.value = number; }

  showNumber(index, count) {
    this.slider.value = index + 1;
    this.slider.setAttribute("aria-valuetext", `Image ${index + 1} of ${count}`);
    $("[data-number]").textContent = `${index + 1} / ${count}`;
  }

  showLoaded(frames) {
    if (this.loaded.width !== frames.length) this.loaded.width = frames.length;
    const ink = this.loaded.getContext("2d");
    ink.clearRect(0, 0, frames.length, 1);
    frames.forEach((frame, i) => {
      ink.fillStyle = frame?.problem ? "#ff9d94" : "#3d8f93";
      if (frame) ink.fillRect(i, 0, 1, 1);
    });
    this.loaded.dataset.count = frames.filter(Boolean).length;
  }

  say(message, isFinal = true) {
    clearTimeout(this.patience);
    if (!message || isFinal) return this.put(message);
    this.patience = setTimeout(() => this.put(message), 150); // what comes at once needs no message
    return undefined;
  }

  put(message) {
    this.message.textContent = message;
    this.message.hidden = !message;
  }

  showLook(look) {
    $("[data-invert]").setAttribute("aria-pressed", look.inverted);
    this.coloursField.value = look.colours;
  }

  showTool(tool) {
    this.stage.dataset.tool = tool;
    for (const button of document.querySelectorAll("button[data-tool]")) button.setAttribute("aria-pressed", button.dataset.tool === tool);
  }

  showPlaying(playing) { $("[data-play]").setAttribute("aria-pressed", playing); }

  speed() { return Number($("[data-speed]").value); }
}

const here = $(".strip [aria-current]"); // brought into sight without moving the page
$(".strip").scrollTop = here.offsetTop - 40;
$(".strip ul").scrollLeft = here.offsetLeft - 20;
const page = new Page();
const viewer = new Viewer(JSON.parse($("#scan").textContent), page);
listen(page.stage, viewer);
page.slider.addEventListener("input", () => viewer.show(Number(page.slider.value) - 1));
page.presetField.addEventListener("change", () => viewer.preset(Number(page.presetField.value)));
page.coloursField.addEventListener("change", (event) => viewer.colours(event.target.value));
$("[data-invert]").addEventListener("click", () => viewer.invert());
$("[data-reset]").addEventListener("click", () => viewer.reset());
$("[data-help]").addEventListener("click", () => viewer.help());
$("[data-play]").addEventListener("click", () => viewer.play());
$("[data-speed]").addEventListener("change", () => { if (viewer.playing) { viewer.play(); viewer.play(); } });
for (const button of document.querySelectorAll("button[data-tool]")) button.addEventListener("click", () => viewer.use(button.dataset.tool));
new ResizeObserver(() => viewer.redraw()).observe(page.canvas);
