// Samples to pixels: a window, a colour map, a lookup table for whole numbers. Nothing here touches the page.

const opaque = (r, g, b) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0; // RGBA as a little-endian word

const MAPS = {
  grey: (t) => [t, t, t],
  hot: (t) => [Math.min(1, t * 2), Math.max(0, Math.min(1, t * 2 - 0.5)), Math.max(0, t * 4 - 3)],
  rainbow: (t) => (t === 0 ? [0, 0, 0] : [1.5 - Math.abs(4 * t - 3), 1.5 - Math.abs(4 * t - 2), 1.5 - Math.abs(4 * t - 1)]),
};

export const COLOURS = Object.keys(MAPS);

export function ramp(colours, inverted) {
  const words = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    const t = (inverted ? 255 - i : i) / 255;
    words[i] = opaque(...MAPS[colours](t).map((c) => Math.round(255 * Math.max(0, Math.min(1, c)))));
  }
  return words;
}

export class Painter {
  constructor() {
    this.table = new Uint32Array(1 << 16);
    this.key = "";
  }

  // Fill `words` (one for each pixel) from the frame under {centre, width, colours, inverted}.
  paint(frame, look, words) {
    const { samples, type } = frame;
    if (type === "rgb8") return paintColour(samples, look, words);
    const low = look.centre - look.width / 2;
    const scale = 256 / look.width;
    if (type === "int16") {
      this.prepare(low, scale, look);
      const table = this.table;
      for (let i = 0; i < words.length; i++) words[i] = table[samples[i] + 32768];
      return undefined;
    }
    const colours = ramp(look.colours, look.inverted);
    for (let i = 0; i < words.length; i++) {
      const level = (samples[i] - low) * scale;
      words[i] = colours[level <= 0 ? 0 : level >= 255 ? 255 : level | 0];
    }
    return undefined;
  }

  prepare(low, scale, look) {
    const key = `${low} ${scale} ${look.colours} ${look.inverted}`;
    if (key === this.key) return;
    this.key = key;
    const colours = ramp(look.colours, look.inverted);
    for (let i = 0; i < 65536; i++) {
      const level = (i - 32768 - low) * scale;
      this.table[i] = colours[level <= 0 ? 0 : level >= 255 ? 255 : level | 0];
    }
  }
}

function paintColour(samples, look, words) {
  const levels = new Uint8ClampedArray(256);
  const low = look.centre - look.width / 2;
  for (let i = 0; i < 256; i++) {
    levels[i] = ((i - low) * 255) / look.width;
    if (look.inverted) levels[i] = 255 - levels[i];
  }
  for (let i = 0, s = 0; i < words.length; i++, s += 3) {
    words[i] = opaque(levels[samples[s]], levels[samples[s + 1]], levels[samples[s + 2]]);
  }
}
