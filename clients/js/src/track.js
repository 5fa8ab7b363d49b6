// One context being played: what is known of it, and how much of that has been heard.
/** @import * as types from "../index.d.ts" */

const TOLD = 256;

export class Track {
  /** @type {any} */
  decoder = null;
  /** @type {types.Word[]} */
  words = [];
  /** How many of these were told as heard. */
  said = 0;
  /** How many there were before these. */
  before = 0;
  /** @type {types.Segment[]} */
  segments = [];
  shown = 0;
  underruns = 0;
  /** Set while it is paused: when it stopped, and what the server said. @type {{ quiet: Promise<number>, answer: Promise<types.Paused> } | null} */
  paused = null;
  /** @type {Promise<unknown> | null} */
  #turn = null;
  /** Called when it is heard again, or never will be. */
  going = () => {};
  /** How far it had been heard at the last pause, in ms. */
  played = 0;
  /** Frames of the AudioContext where its sound begins and ends, once known. @type {number | null} */
  first = null;
  /** @type {number | null} */
  until = null;
  firstMs = 0;
  /** @type {{ wall: number, sound: number } | null} */
  clocks = null;
  /** Was the AudioContext running all the time? */
  steady = true;
  /** Nothing of it is to be heard any more. */
  gone = false;
  finished = false;
  /** @type {unknown} */
  error = null;

  /** @param {number} id the generation of its sound @param {types.Context} context */
  constructor(id, context) {
    this.id = id;
    this.context = context;
    this.since = performance.now();
    /** @type {Promise<void>} */
    this.over = new Promise((resolve, reject) => {
      this.settle = () => (this.error ? reject(this.error) : resolve());
    });
    this.over.catch(() => {}); // whoever does not await it has the event `end`
  }

  /**
   * A pause or continue, once the one before has been answered; at once where there is none.
   * @template T @param {() => Promise<T>} work
   */
  next(work) {
    const done = this.#turn ? this.#turn.then(work) : work();
    const turn = done.catch(() => {}).then(() => {
      if (this.#turn === turn) this.#turn = null;
    });
    this.#turn = turn;
    return done;
  }

  /** Decoders that are still loading have nobody to play for by then. @param {any} decoder */
  take(decoder) {
    this.decoder = decoder;
    if (this.gone) decoder.close();
  }

  /** What was not heard before a pause is told again. */
  forget() {
    this.words = this.words.filter((word) => word.end_ms <= this.played);
    this.said = Math.min(this.said, this.words.length);
    this.segments = this.segments.filter((segment) => segment.start_ms <= this.played);
    this.shown = Math.min(this.shown, this.segments.length);
  }

  /** What was told is not told again where nothing is paused: a channel may go on for days. */
  trim() {
    if (this.context.pausable || this.said < TOLD) return;
    this.before += this.said;
    this.words.splice(0, this.said);
    this.segments.splice(0, this.shown);
    this.said = this.shown = 0;
  }

  /** Where the first word that was not heard begins, in ms; it is the next to be told. */
  rewind() {
    const index = this.words.findIndex((word) => word.end_ms > this.played);
    if (index < 0) return this.played;
    this.said = Math.min(this.said, index);
    return this.words[index].start_ms;
  }

  /** @param {{ wall: number, sound: number }} clocks the same moment by the page's clock and by the loudspeaker's, in ms */
  figures({ wall, sound }) {
    /** @type {types.Figures} */
    const figures = { underruns: this.underruns };
    if (!this.clocks) return figures;
    figures.first_sound_ms = Math.max(0, this.firstMs);
    const span = wall - this.clocks.wall;
    // Below a second the clocks' own grain is all one would see.
    if (this.steady && span > 1000) figures.drift_ppm = Math.round(((sound - this.clocks.sound) / span - 1) * 1e6);
    return figures;
  }
}
