// The frames of a scan: fetched nearest first, a few at a time, and kept while there is room.

const PARALLEL = 5; // of the six connections that a browser opens to one server
const ROOM = 768 * 1024 * 1024; // bytes
const TYPES = { int16: Int16Array, float32: Float32Array, rgb8: Uint8Array };
const TRIES = 3;

export class Stack {
  constructor(places, onChange) {
    this.places = places;
    this.frames = new Array(places.length); // undefined | {samples, rows, ...} | {problem}
    this.centre = 0;
    this.ahead = 1;
    this.bytes = 0;
    this.underway = new Map();
    this.failures = new Map();
    this.onChange = onChange;
  }

  get length() { return this.places.length; }

  // Move to `index`: what lies in the direction of travel comes first.
  goTo(index) {
    if (index !== this.centre) this.ahead = Math.sign(index - this.centre);
    this.centre = index;
    this.fill();
  }

  fill() {
    const wanted = this.nearest();
    // A jump makes what was asked for before it pointless: free its place for the frame being looked at.
    if (this.frames[this.centre] === undefined && !this.underway.has(this.centre) && this.underway.size >= PARALLEL) {
      const [far, control] = [...this.underway].sort((a, b) => this.distance(b[0]) - this.distance(a[0]))[0];
      control.abort();
      this.underway.delete(far);
    }
    while (this.underway.size < PARALLEL) {
      const { value, done } = wanted.next();
      if (done) return;
      this.fetch(value);
    }
  }

  distance(index) { return Math.abs(index - this.centre); }

  *nearest() {
    const missing = (i) => i >= 0 && i < this.length && this.frames[i] === undefined && !this.underway.has(i);
    const full = this.bytes > ROOM * 0.9;
    const reach = full ? this.kept() : this.length;
    for (let d = 0; d < reach; d++) {
      const there = this.centre + d * this.ahead;
      const back = this.centre - d * this.ahead;
      if (missing(there)) yield there;
      if (d && missing(back)) yield back;
    }
  }

  kept() { return Math.max(2, Math.floor((this.frames.filter((f) => f?.samples).length - 1) / 2)); }

  async fetch(index) {
    const control = new AbortController();
    this.underway.set(index, control);
    const { instance, frame } = this.places[index];
    let outcome;
    try {
      const response = await fetch(`/api/v1/instances/${instance}/frames/${frame}`, { signal: control.signal });
      outcome = await received(response);
    } catch (error) {
      if (error.name === "AbortError") return;
      outcome = this.retry(index);
    }
    if (this.underway.get(index) !== control) return;
    this.underway.delete(index);
    if (outcome) this.keep(index, outcome);
    this.fill();
  }

  retry(index) {
    const count = (this.failures.get(index) ?? 0) + 1;
    this.failures.set(index, count);
    return count < TRIES ? undefined : { problem: "The server does not answer. Reload the page to try again." };
  }

  keep(index, frame) {
    this.frames[index] = frame;
    this.bytes += frame.samples?.byteLength ?? 0;
    while (this.bytes > ROOM) this.drop();
    this.onChange(index);
  }

  drop() {
    let farthest = -1;
    this.frames.forEach((frame, i) => {
      if (frame?.samples && (farthest < 0 || this.distance(i) > this.distance(farthest))) farthest = i;
    });
    this.bytes -= this.frames[farthest].samples.byteLength;
    this.frames[farthest] = undefined;
  }
}

async function received(response) {
  if (response.status === 401) location.assign("/login");
  if (!response.ok) return { problem: (await response.json()).detail || "This image cannot be shown." };
  const about = JSON.parse(response.headers.get("Cohortium-Frame"));
  return { ...about, samples: new TYPES[about.samples](await response.arrayBuffer()), type: about.samples };
}
