// The queue of sound on an AudioContext: what reads it, where its clock is, and how far each track has been heard.
import { Clock } from "./jitter.js";
import { scheduled, worklet } from "./output.js";

const SETTLE_MS = 100; // for the worklet to say where it stopped; one that is suspended never does

/** Times are ms of a track's sound, or of a clock; frames are the AudioContext's. */
export class Sound {
  #audio;
  #tell;
  #clock = new Clock();
  /** @type {{ post(name: string, ...values: any[]): void, close(): void } | null} */
  #output = null;
  /** Who waits for a track to have stopped. @type {Map<number, (media: number) => void>} */
  #stopping = new Map();

  /**
   * @param {AudioContext} audio @param {AudioNode} target
   * @param {{ workletUrl?: string | URL, prebufferMs: number }} options
   * @param {(notice: any) => void} tell
   */
  constructor(audio, target, options, tell) {
    this.#audio = audio;
    this.#tell = tell;
    /** Resolves with why there is no AudioWorklet, where there is none. */
    this.ready = this.#begin(target, options);
  }

  get #rate() {
    return this.#audio.sampleRate;
  }

  /** @param {AudioNode} target @param {{ workletUrl?: string | URL, prebufferMs: number }} options */
  async #begin(target, options) {
    const told = (/** @type {any} */ notice) => this.#told(notice);
    let missing = "";
    if (this.#audio.audioWorklet) {
      try {
        this.#output = await worklet(this.#audio, target, options, told);
      } catch (error) {
        missing = String(error);
      }
    }
    this.#output ??= scheduled(this.#audio, target, options, told, this.#clock);
    return missing;
  }

  /** A method of `Jitter`, for a track that it may or may not have yet. @param {string} name @param {any[]} values */
  post(name, ...values) {
    this.#output?.post(name, ...values);
  }

  /** @param {number} id @param {number} at_ms */
  go(id, at_ms) {
    this.post("go", id, Math.round((at_ms * this.#rate) / 1000));
  }

  /**
   * Silences a track; returns how far it was heard.
   * @param {number} id @param {"flush" | "hold"} how @param {boolean} ended was all of it handed to the loudspeaker?
   */
  async quiet(id, how, ended) {
    const stopped = new Promise((resolve) => this.#stopping.set(id, resolve));
    this.post(how, id);
    const reached = () => this.#clock.position(id, this.#audio.currentTime * this.#rate);
    /** @type {any} */
    let media;
    if (ended) media = this.#clock.position(id, Infinity);
    else if (!this.#output || this.#audio.state !== "running") media = reached();
    else media = await Promise.race([stopped, new Promise((resolve) => setTimeout(() => resolve(reached()), SETTLE_MS))]);
    this.#stopping.delete(id);
    return Math.round((media * 1e6) / this.#rate) / 1000;
  }

  /** The frame that leaves the loudspeaker now. */
  get frame() {
    const latency = this.#audio.outputLatency || this.#audio.baseLatency || 0;
    return (this.#audio.currentTime - latency) * this.#rate;
  }

  /** From now until `frame` leaves the loudspeaker. @param {number} frame */
  until(frame) {
    return ((frame - this.frame) / this.#rate) * 1000;
  }

  /** How far a track has been heard. @param {number} id */
  heard(id) {
    return (this.#clock.position(id, this.frame) * 1000) / this.#rate;
  }

  /** The same moment by the page's clock and by the loudspeaker's. */
  clocks() {
    const { contextTime, performanceTime } = this.#audio.getOutputTimestamp?.() ?? {};
    if (contextTime && performanceTime) return { wall: performanceTime, sound: contextTime * 1000 };
    return { wall: performance.now(), sound: this.#audio.currentTime * 1000 };
  }

  close() {
    this.#output?.close();
  }

  /** @param {any} notice */
  #told(notice) {
    if (notice.type === "anchor") this.#clock.add(notice);
    else if (notice.type === "stopped") this.#stopping.get(notice.id)?.(notice.media);
    this.#tell(notice);
  }
}
