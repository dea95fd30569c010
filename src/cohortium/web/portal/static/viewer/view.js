// Where the image stands on the canvas: fitted, then zoomed and moved. Pixels may be taller than wide.

export class View {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.picture = document.createElement("canvas");
    this.reset();
  }

  reset() {
    this.zoom = 1;
    this.x = 0; // of the image's centre from the canvas's, in CSS pixels
    this.y = 0;
  }

  // Take over the size that the page gives the canvas; true where it changed.
  resize() {
    const ratio = window.devicePixelRatio || 1;
    const width = Math.max(1, Math.round(this.canvas.clientWidth * ratio));
    const height = Math.max(1, Math.round(this.canvas.clientHeight * ratio));
    this.ratio = ratio;
    if (this.canvas.width === width && this.canvas.height === height) return false;
    this.canvas.width = width;
    this.canvas.height = height;
    return true;
  }

  // The pixels to paint into, one word each, for a frame of this size.
  words(frame) {
    const { rows, columns } = frame;
    if (this.picture.width !== columns || this.picture.height !== rows || !this.image) {
      this.picture.width = columns;
      this.picture.height = rows;
      this.ink = this.picture.getContext("2d");
      this.image = this.ink.createImageData(columns, rows);
      this.pixels = new Uint32Array(this.image.data.buffer);
    }
    return this.pixels;
  }

  // CSS pixels for one column, and for one row.
  scale(frame) {
    const fit = Math.min(
      this.canvas.clientWidth / frame.columns,
      this.canvas.clientHeight / (frame.rows * frame.aspect),
    );
    return { across: fit * this.zoom, down: fit * this.zoom * frame.aspect };
  }

  draw(frame) {
    this.ink.putImageData(this.image, 0, 0);
    const { across, down } = this.scale(frame);
    const [width, height] = [frame.columns * across, frame.rows * down];
    const left = (this.canvas.clientWidth - width) / 2 + this.x;
    const top = (this.canvas.clientHeight - height) / 2 + this.y;
    const { context, ratio } = this;
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    context.imageSmoothingEnabled = across * ratio < 12; // far in, show the true pixels
    context.imageSmoothingQuality = across * ratio < 1 ? "high" : "medium";
    context.drawImage(this.picture, left * ratio, top * ratio, width * ratio, height * ratio);
  }

  clear() {
    this.context.fillStyle = "#000";
    this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
  }

  // {column, row} under a point of the canvas (CSS pixels); null beside the image.
  pixelAt(frame, px, py) {
    const { across, down } = this.scale(frame);
    const column = Math.floor((px - this.canvas.clientWidth / 2 - this.x) / across + frame.columns / 2);
    const row = Math.floor((py - this.canvas.clientHeight / 2 - this.y) / down + frame.rows / 2);
    return column >= 0 && row >= 0 && column < frame.columns && row < frame.rows ? { column, row } : null;
  }

  // Zoom so that what lies under the point stays there.
  zoomAt(factor, px, py) {
    const zoom = Math.max(0.2, Math.min(40, this.zoom * factor));
    const change = zoom / this.zoom;
    const [cx, cy] = [px - this.canvas.clientWidth / 2, py - this.canvas.clientHeight / 2];
    this.x = cx - (cx - this.x) * change;
    this.y = cy - (cy - this.y) * change;
    this.zoom = zoom;
  }

  move(dx, dy) {
    this.x += dx;
    this.y += dy;
  }
}
