// The loudness of what has come in, and the place that is heard.

const STEP_MS = 20;
const LONGEST = 5; // steps between two ticks; what is longer was a pause

/** Draws into a canvas; asks `position()` (ms) for the place that is heard while it runs. */
export class Wave {
  #canvas;
  #peaks = [];
  #position = null;
  #frame = 0;

  constructor(canvas) {
    this.#canvas = canvas;
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    this.clear();
  }

  clear() {
    this.#peaks = [];
    this.draw();
  }

  /** The peak (0 to 1) of what was heard up to `at` ms since the last one was told. */
  level(at, peak) {
    const slot = Math.max(0, Math.floor(at / STEP_MS));
    const from = Math.min(slot, Math.max(this.#peaks.length, slot - LONGEST));
    for (let i = from; i <= slot; i++) this.#peaks[i] = Math.max(this.#peaks[i] ?? 0, peak);
  }

  start(position) {
    this.#position = position;
    cancelAnimationFrame(this.#frame);
    const tick = () => {
      this.draw();
      if (this.#position) this.#frame = requestAnimationFrame(tick);
    };
    tick();
  }

  stop() {
    this.draw();
    this.#position = null;
  }

  draw() {
    const { clientWidth, clientHeight } = this.#canvas;
    const scale = devicePixelRatio || 1;
    const width = Math.max(1, Math.round(clientWidth * scale));
    const height = Math.round((clientHeight || 72) * scale);
    if (this.#canvas.width !== width || this.#canvas.height !== height) Object.assign(this.#canvas, { width, height });
    const pen = this.#canvas.getContext("2d");
    const style = getComputedStyle(this.#canvas);
    const colour = (name) => style.getPropertyValue(name).trim();
    pen.clearRect(0, 0, width, height);
    const slots = Math.max(250, this.#peaks.length); // five seconds fill the width, then it is squeezed
    const step = Math.max(2 * scale, width / slots);
    const heard = this.#position ? this.#position() / STEP_MS : Infinity;
    const per = slots / (width / step);
    for (let x = 0; x * step < width; x++) {
      const from = Math.floor(x * per);
      let peak = 0;
      for (let i = from; i < Math.max(from + 1, (x + 1) * per); i++) peak = Math.max(peak, this.#peaks[i] ?? 0);
      if (!peak) continue;
      const tall = Math.max(scale, Math.min(1, Math.sqrt(peak)) * height * 0.94);
      pen.fillStyle = colour(from <= heard ? "--act" : "--s-text");
      pen.fillRect(x * step, (height - tall) / 2, Math.max(scale, step - scale), tall);
    }
    if (Number.isFinite(heard)) {
      pen.fillStyle = colour("--stop");
      pen.fillRect((heard / per) * step, 0, Math.max(2, 1.5 * scale), height);
    }
  }
}
