// Plays contexts in a browser, one behind the other, and knows what is heard.
import { open } from "./decoders.js";
import { StreamerError } from "./errors.js";
import "./heard.js"; // what a context answers with after its end: here when it is wanted
import { RATE, choose, format } from "./modes.js";
import { Sound } from "./sound.js";
import { Track } from "./track.js";
import { abortable } from "./waiting.js";
/** @import * as types from "../index.d.ts" */

export class Player extends EventTarget {
  /** The format to be asked for here, as `audio` of a context. @param {types.PlayerOptions} [options] */
  static audio(options = {}) {
    return format(options);
  }

  #client;
  #options;
  #audio;
  #own;
  #gain;
  #sound;
  /** @type {Track[]} */
  #tracks = [];
  #generation = 0;
  #last = 0;
  #ran = false;
  #closed = false;
  /** @type {types.PlayerState | null} */
  #state = null;
  #mode;
  #reason;
  /** @type {string | null} */
  #shown = null;
  /** @type {any} */
  #timer;
  #wake = () => {
    if (document.visibilityState === "visible" && this.#own && this.#state === "interrupted") this.#audio.resume().catch(() => {});
  };
  #changed = () => {
    if (this.#audio.state !== "running") for (const track of this.#tracks) track.steady = false;
    this.#update();
    this.#check();
  };

  /** @param {types.StreamerClient | null} [client] @param {types.PlayerOptions} [options] */
  constructor(client = null, options = {}) {
    super();
    if (typeof AudioContext !== "function") throw new StreamerError("not_available", "there is no AudioContext here");
    this.#client = client;
    this.#options = { prebufferMs: 60, ...options };
    this.#own = !options.context;
    this.#audio = options.context ?? new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
    this.#gain = this.#audio.createGain();
    this.#gain.connect(options.destination ?? this.#audio.destination);
    this.#audio.addEventListener("statechange", this.#changed);
    document.addEventListener("visibilitychange", this.#wake);
    ({ mode: this.#mode, reason: this.#reason } = choose(this.#audio, this.#options));
    this.#sound = this.#begin();
    this.#update();
  }

  get state() {
    return /** @type {types.PlayerState} */ (this.#state);
  }

  get mode() {
    return this.#mode;
  }

  get reason() {
    return this.#reason;
  }

  get context() {
    return this.#audio;
  }

  get volume() {
    return this.#gain.gain.value;
  }

  set volume(ratio) {
    this.#gain.gain.value = ratio;
  }

  get position() {
    const track = this.#tracks[0];
    return track ? this.#sound.heard(track.id) : this.#last;
  }

  /** @param {types.Context} [context] */
  play(context = this.#client?.current) {
    if (this.#closed) return Promise.reject(new StreamerError("closed", "the player is closed"));
    if (!context) return Promise.reject(new StreamerError("unknown_context", "nothing to play"));
    const track = new Track(++this.#generation, context);
    this.#tracks.push(track);
    this.#update();
    this.#follow(track);
    return track.over;
  }

  async unlock() {
    await this.#audio.resume();
    this.#update();
  }

  /** @param {{ signal?: AbortSignal }} [options] */
  async interrupt({ signal } = {}) {
    signal?.throwIfAborted();
    const [track, ...waiting] = this.#tracks;
    if (!track) throw nothing();
    const quiet = track.paused?.quiet ?? this.#sound.quiet(track.id, "flush", track.until !== null);
    track.gone = true;
    this.#tracks = [];
    for (const other of waiting) {
      other.context.interrupt({ played_ms: 0 }).catch(() => {});
      this.#drop(other);
    }
    const played_ms = await quiet;
    if (track.paused) this.#sound.post("flush", track.id);
    this.#last = played_ms;
    this.#update();
    try {
      // Asked in any case: who is silent needs no more of it.
      return await abortable(track.context.interrupt({ played_ms }), signal);
    } finally {
      this.#finish(track);
    }
  }

  /** @param {{ signal?: AbortSignal }} [options] */
  async pause({ signal } = {}) {
    signal?.throwIfAborted();
    const track = this.#tracks[0];
    if (!track) throw nothing();
    return abortable(track.next(() => this.#pause(track)), signal);
  }

  /** @param {{ signal?: AbortSignal }} [options] */
  async continue({ signal } = {}) {
    signal?.throwIfAborted();
    const track = this.#tracks[0];
    if (!track) throw unpaused();
    return abortable(track.next(() => this.#continue(track)), signal);
  }

  /** @param {Track} track */
  async #pause(track) {
    if (track.gone || track.context.pausable === false) return track.context.pause();
    if (!track.paused) {
      const quiet = this.#sound.quiet(track.id, "hold", track.until !== null);
      const answer = quiet.then((played_ms) => track.context.pause({ played_ms: (track.played = played_ms) }));
      track.paused = { quiet, answer };
      this.#update();
    }
    return track.paused.answer;
  }

  /** @param {Track} track */
  async #continue(track) {
    if (!track.paused) throw unpaused();
    /** @type {Promise<void>} */
    const going = new Promise((resolve) => { track.going = resolve; });
    const continued = await track.context.continue();
    if (track.gone) return continued;
    if (continued.sequence >= 0) {
      await going; // what comes behind it may be a pause
      return continued;
    }
    // All had been sent: what was not heard is still here.
    const at_ms = track.rewind();
    this.#go(track, at_ms);
    return { ...continued, at_ms };
  }

  stop() {
    for (const track of [...this.#tracks]) {
      if (!track.context.over) track.context.cancel().catch(() => {});
      this.#drop(track);
    }
  }

  async close() {
    if (this.#closed) return;
    this.stop();
    this.#closed = true;
    clearTimeout(this.#timer);
    document.removeEventListener("visibilitychange", this.#wake);
    this.#audio.removeEventListener("statechange", this.#changed);
    this.#update();
    await this.#sound.ready;
    this.#sound.close();
    this.#gain.disconnect();
    if (this.#own && this.#audio.state !== "closed") await this.#audio.close();
  }

  #begin() {
    const sound = new Sound(this.#audio, this.#gain, this.#options, (notice) => this.#told(notice));
    sound.ready.then((missing) => {
      if (!missing) return;
      this.#mode = "pcm-scheduled";
      this.#reason = `no AudioWorklet: ${missing}`;
      this.#update();
    });
    return sound;
  }

  /** Feeds what a context says into the queue. @param {Track} track */
  async #follow(track) {
    const { id, context } = track;
    /** @type {types.Audio | null} */
    let last = null;
    let pushed = 0, ratio = 1, total = Infinity;
    try {
      await this.#sound.ready;
      if (track.gone) return;
      this.#sound.post("open", id);
      if (track.paused) this.#sound.post("hold", id);
      for await (const event of context) {
        this.#emit("event", { context, event });
        if (track.gone || track.error) continue;
        if (event.type === "started") {
          const push = (/** @type {number} */ at, /** @type {Float32Array} */ samples, /** @type {number} */ flags) => {
            if (track.gone) return;
            pushed = Math.max(pushed, at + samples.length);
            this.#sound.post("push", id, at, samples, (flags & 1) > 0);
          };
          track.take(await open(event, this.#audio.sampleRate, this.#options.wasm, push, (error) => this.#fail(track, error)));
          if (event.audio.codec === "opus") ratio = RATE / event.audio.sample_rate;
          this.#decodes(track.decoder.mode);
        } else if (event.type === "audio" && event.data.length) {
          // How much of the last one is a codec's padding is said by `done`, which is right behind it.
          if (event.flags & 2) last = event;
          else track.decoder.decode(event);
        } else if (event.type === "words") {
          track.words.push(...event.words);
        } else if (event.type === "segment") {
          track.segments.push(event);
        } else if (event.type === "continued") {
          track.forget();
          this.#go(track, event.at_ms);
        } else if (event.type === "interrupted" || (event.type === "done" && event.reason === "cancelled")) {
          this.#drop(track);
        } else if (event.type === "done") {
          total = Math.round(event.samples * ratio);
        }
      }
      if (last && !track.gone && !track.error) track.decoder.decode(last);
      await track.decoder?.flush();
    } catch (error) {
      this.#fail(track, error);
    }
    if (track.gone) return;
    // What arrived is played, whatever came of the rest.
    if (pushed > 0) this.#sound.post("end", id, Math.min(total, pushed));
    else this.#drop(track);
  }

  /** @param {types.PlayerMode} mode */
  #decodes(mode) {
    if (mode === this.#mode || this.#mode === "pcm-scheduled") return;
    this.#mode = mode;
    this.#reason = "the context was started so";
    this.#update();
  }

  /** @param {Track} track @param {unknown} error */
  #fail(track, error) {
    if (track.error || track.gone) return;
    track.error = error;
    if (!track.context.over) track.context.cancel().catch(() => {});
    // Whoever aborts it wants no more of it.
    if (track.paused || !(error instanceof StreamerError)) this.#drop(track);
  }

  /** @param {Track} track @param {number} at_ms */
  #go(track, at_ms) {
    track.paused = null;
    track.going();
    this.#sound.go(track.id, at_ms);
    this.#update();
    this.#check();
  }

  /** @param {any} notice */
  #told(notice) {
    const track = this.#tracks.find(({ id }) => id === notice.id);
    if (notice.type === "level") {
      this.#emit("level", { level: notice.level });
    } else if (notice.type === "broken") {
      this.#broken();
    } else if (track && notice.type === "underrun") {
      this.#emit("underrun", { context: track.context, count: ++track.underruns, cause: notice.cause });
    } else if (track && notice.type === "end") {
      track.until = notice.frame;
    } else if (track && notice.type === "anchor" && notice.running && track.first === null) {
      track.first = notice.frame;
      track.clocks = this.#sound.clocks();
      track.firstMs = performance.now() - (track.context.since ?? track.since) + this.#sound.until(notice.frame);
    }
    this.#check();
  }

  #broken() {
    for (const track of [...this.#tracks]) {
      this.#fail(track, new StreamerError("playback_failed", "the AudioWorklet broke"));
      this.#drop(track);
    }
    this.#sound.close();
    this.#sound = this.#begin();
  }

  /** Tells what is heard by now, and comes again when the next thing is due. */
  #check() {
    clearTimeout(this.#timer);
    const track = this.#tracks[0], sound = this.#sound;
    if (!track || track.first === null) return;
    const begins = sound.until(track.first);
    if (begins > 0) return this.#later(begins);
    const ms = sound.heard(track.id), { context, segments, words } = track;
    const due = (/** @type {{ start_ms: number } | undefined} */ what) => what && !track.gone && what.start_ms <= ms;
    while (due(segments[track.shown])) this.#emit("segment", { context, segment: segments[track.shown++] });
    while (due(words[track.said])) this.#emit("word", { context, word: words[track.said], index: track.before + track.said++ });
    track.trim();
    if (track.gone || track.paused) return;
    const left = track.until === null ? Infinity : sound.until(track.until);
    if (left > 0) {
      const next = Math.min(segments[track.shown]?.start_ms ?? Infinity, words[track.said]?.start_ms ?? Infinity);
      return this.#later(Math.min(left, next - ms));
    }
    this.#finish(track);
    this.#check();
  }

  /** @param {number} ms */
  #later(ms) {
    if (ms < 1000 && this.#audio.state === "running") this.#timer = setTimeout(() => this.#check(), Math.max(1, ms));
  }

  /** Silences it and is done with it. @param {Track} track */
  #drop(track) {
    this.#sound.post("flush", track.id);
    this.#finish(track);
  }

  /** @param {Track} track */
  #finish(track) {
    if (track.finished) return;
    if (track === this.#tracks[0]) this.#last = this.#sound.heard(track.id);
    track.finished = track.gone = true;
    track.going();
    this.#tracks = this.#tracks.filter((other) => other !== track);
    track.decoder?.close();
    const figures = track.figures(this.#sound.clocks());
    try {
      if (track.clocks) track.context.report(figures);
    } catch {
      // The connection is gone, and the server with it.
    }
    this.#emit("end", { context: track.context, error: track.error, figures });
    track.settle();
    this.#update();
  }

  #update() {
    const audio = /** @type {string} */ (this.#audio.state);
    this.#ran ||= audio === "running";
    const [track] = this.#tracks;
    if (this.#closed || audio === "closed") this.#state = "closed";
    else if (audio !== "running") this.#state = this.#ran ? "interrupted" : "locked";
    else if (track) this.#state = track.paused ? "paused" : "playing";
    else this.#state = "ready";
    const now = `${this.#state} ${this.#mode}`;
    if (now === this.#shown) return;
    this.#shown = now;
    this.#emit("state", { state: this.#state, mode: this.#mode, reason: this.#reason });
  }

  /** @param {string} type @param {any} detail */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

const unpaused = () => new StreamerError("context_conflict", "nothing is paused");
const nothing = () => new StreamerError("context_conflict", "nothing is being played");
