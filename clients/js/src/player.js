// Plays contexts in a browser, one behind the other, and knows what is heard. What it takes beyond that (queue, worklet,
// decoders) is loaded with the first Player.
import { StreamerError } from "./errors.js";
import { Track } from "./track.js";
/** @import * as types from "../index.d.ts" */

const SETTLE_MS = 100; // for the worklet to say where it stopped; one that is suspended never does
const RATE = 48000;

export class Player extends EventTarget {
  /** The format to be asked for here, as `audio` of a context. @param {types.PlayerOptions} [options] */
  static audio({ context, wasm } = {}) {
    const rate = context?.sampleRate ?? RATE;
    const opus = typeof AudioWorkletNode === "function" && rate === RATE && (typeof AudioDecoder === "function" || wasm);
    return opus ? { codec: "opus", sample_rate: RATE } : { codec: "pcm_s16le", sample_rate: rate };
  }

  #client;
  #options;
  #audio;
  #own;
  #gain;
  /** @type {any} */
  #sink = null;
  /** @type {any} */
  #clock = null;
  #ready;
  /** @type {Track[]} */
  #tracks = [];
  #generation = 0;
  #last = 0;
  #ran = false;
  #closed = false;
  #state = "";
  /** @type {string | null} */
  #shown = null;
  /** @type {types.PlayerMode | null} */
  #mode = null;
  #reason = "";
  /** @type {any} */
  #timer;
  /** Who waits for the queue to have stopped. @type {Map<number, (media: number) => void>} */
  #stopping = new Map();
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
    this.#choose();
    this.#ready = this.#setUp();
    this.#ready.catch(() => {});
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

  /** The AudioContext in use. */
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
    return track ? this.#heard(track) : this.#last;
  }

  /** @param {types.Context} [context] */
  play(context = /** @type {any} */ (this.#client)?.current) {
    if (this.#closed || !context) {
      const error = this.#closed ? new StreamerError("closed", "the player is closed") : new StreamerError("unknown_context", "nothing to play");
      return Promise.reject(error);
    }
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
  async interrupt(options = {}) {
    const [track, ...waiting] = this.#tracks;
    if (!track) throw nothing();
    const quiet = track.paused?.quiet ?? this.#quiet(track, "flush");
    track.gone = true;
    this.#tracks = [];
    for (const other of waiting) {
      other.context.interrupt({ played_ms: 0 }).catch(() => {});
      this.#drop(other);
    }
    const played_ms = await quiet;
    if (track.paused) this.#sink?.post("flush", track.id);
    this.#last = played_ms;
    this.#update();
    try {
      return await track.context.interrupt({ ...options, played_ms });
    } finally {
      this.#finish(track);
    }
  }

  /** @param {{ signal?: AbortSignal }} [options] */
  async pause(options = {}) {
    const track = this.#tracks[0];
    if (!track) throw nothing();
    if (track.paused) return track.paused.answer;
    const quiet = this.#quiet(track, "hold");
    const answer = quiet.then((played_ms) => track.context.pause({ ...options, played_ms: (track.played = played_ms) }));
    track.paused = { quiet, answer };
    this.#update();
    return answer;
  }

  /** @param {{ signal?: AbortSignal }} [options] */
  async continue(options = {}) {
    const track = this.#tracks[0];
    if (!track?.paused) throw new StreamerError("context_conflict", "nothing is paused");
    await track.paused.answer.catch(() => {}); // whoever paused was told
    const continued = await track.context.continue(options);
    if (continued.sequence >= 0 || track.gone) return continued;
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
    await this.#ready.catch(() => {});
    this.#sink?.close();
    this.#gain.disconnect();
    if (this.#own && this.#audio.state !== "closed") await this.#audio.close();
  }

  #choose() {
    const { codec } = Player.audio({ ...this.#options, context: this.#audio });
    if (!this.#audio.audioWorklet) {
      this.#mode = "pcm-scheduled";
      this.#reason = globalThis.isSecureContext ? "this browser has no AudioWorklet" : "the page is not a secure context (https): no AudioWorklet, no WebCodecs";
    } else if (codec === "opus") {
      const webcodecs = typeof AudioDecoder === "function";
      this.#mode = webcodecs ? "opus-webcodecs" : "opus-wasm";
      this.#reason = webcodecs ? "" : "this browser has no WebCodecs";
    } else {
      this.#mode = "pcm";
      this.#reason = this.#audio.sampleRate === RATE ? "this browser has no WebCodecs, and no opus-decoder was given" : `Opus needs an AudioContext of ${RATE} Hz`;
    }
  }

  async #setUp() {
    const parts = Promise.all([import("./jitter.js"), import("./output.js"), import("./decoders.js")]);
    const [{ Clock }, output, decoders] = await parts.catch((cause) => {
      throw new StreamerError("not_available", `the player's modules can't be loaded: ${cause}`, { cause });
    });
    this.#clock = new Clock();
    const tell = (/** @type {any} */ notice) => this.#told(notice);
    if (this.#audio.audioWorklet) {
      try {
        this.#sink = await output.worklet(this.#audio, this.#gain, this.#options, tell);
      } catch (error) {
        this.#mode = "pcm-scheduled";
        this.#reason = `no AudioWorklet: ${error}`;
      }
    }
    this.#sink ??= output.scheduled(this.#audio, this.#gain, this.#options, tell, this.#clock);
    return decoders;
  }

  /** Feeds what a context says into the queue. @param {Track} track */
  async #follow(track) {
    const context = track.context;
    /** @type {any} */
    let last = null;
    let pushed = 0, ratio = 1, total = Infinity;
    try {
      const { open } = await this.#ready;
      if (track.gone) return;
      this.#sink.post("open", track.id);
      if (track.paused) this.#sink.post("hold", track.id);
      for await (const event of context) {
        this.#emit("event", { context, event });
        if (track.gone || track.error) continue;
        if (event.type === "started") {
          const sound = (/** @type {number} */ at, /** @type {Float32Array} */ samples, /** @type {number} */ flags) => {
            if (track.gone) return;
            pushed = Math.max(pushed, at + samples.length);
            this.#sink.post("push", track.id, at, samples, (flags & 1) > 0);
          };
          track.take(await open(event, this.#audio.sampleRate, this.#options.wasm, sound, (error) => this.#fail(track, error)));
          if (event.audio.codec === "opus") ratio = RATE / event.audio.sample_rate;
          if (this.#mode !== "pcm-scheduled") this.#mode = track.decoder.mode;
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
    // What arrived is played, whatever came of the rest.
    if (track.gone) return;
    if (pushed > 0) this.#sink.post("end", track.id, Math.min(total, pushed));
    else this.#drop(track);
  }

  /** @param {Track} track @param {any} error */
  #fail(track, error) {
    if (track.error || track.gone) return;
    track.error = error;
    if (!track.context.over) track.context.cancel().catch(() => {});
    // Whoever aborts it wants no more of it.
    if (!this.#sink || track.paused || !(error instanceof StreamerError)) this.#drop(track);
  }

  /** @param {Track} track @param {number} at_ms */
  #go(track, at_ms) {
    track.paused = null;
    this.#sink.post("go", track.id, Math.round((at_ms * this.#audio.sampleRate) / 1000));
    this.#update();
    this.#check();
  }

  /** Silences it; returns how far it was heard, in ms. @param {Track} track @param {string} how */
  async #quiet(track, how) {
    if (!this.#sink) return 0;
    const rate = this.#audio.sampleRate;
    const stopped = new Promise((resolve) => this.#stopping.set(track.id, resolve));
    this.#sink.post(how, track.id);
    const reached = () => this.#clock.position(track.id, this.#audio.currentTime * rate);
    /** @type {any} */
    let media;
    if (track.until !== null) media = this.#clock.position(track.id, Infinity);
    else if (this.#audio.state !== "running") media = reached();
    else media = await Promise.race([stopped, new Promise((resolve) => setTimeout(() => resolve(reached()), SETTLE_MS))]);
    this.#stopping.delete(track.id);
    return Math.round((media * 1e6) / rate) / 1000;
  }

  /** @param {any} notice */
  #told(notice) {
    const track = this.#tracks.find(({ id }) => id === notice.id);
    if (notice.type === "anchor") {
      this.#clock.add(notice);
      if (track && notice.running && track.first === null) this.#begun(track, notice.frame);
    } else if (notice.type === "underrun" && track) {
      this.#emit("underrun", { context: track.context, count: ++track.underruns });
    } else if (notice.type === "tick") {
      this.#emit("level", { level: notice.level });
    } else if (notice.type === "end" && track) {
      track.until = notice.frame;
    } else if (notice.type === "stopped") {
      this.#stopping.get(notice.id)?.(notice.media);
    } else if (notice.type === "broken") {
      for (const broken of [...this.#tracks]) {
        this.#fail(broken, new StreamerError("playback_failed", "the AudioWorklet broke"));
        this.#drop(broken);
      }
      this.#sink.close();
      this.#sink = null;
      this.#ready = this.#setUp();
      this.#ready.catch(() => {});
    }
    this.#check();
  }

  /** @param {Track} track @param {number} frame */
  #begun(track, frame) {
    track.first = frame;
    track.firstMs = performance.now() - (track.context.since ?? track.since) + ((frame - this.#frame()) / this.#audio.sampleRate) * 1000;
    track.clocks = this.#clocks();
  }

  /** Emits what is heard by now, and comes again when the next thing is due. */
  #check() {
    clearTimeout(this.#timer);
    const track = this.#tracks[0], frame = this.#frame();
    if (!track || track.first === null || frame < track.first) {
      if (track?.first != null) this.#later(((track.first - frame) / this.#audio.sampleRate) * 1000);
      return;
    }
    const ms = this.#heard(track);
    const due = (/** @type {any} */ what) => what && !track.gone && what.start_ms <= ms;
    while (due(track.segments[track.shown])) this.#emit("segment", { context: track.context, segment: track.segments[track.shown++] });
    while (due(track.words[track.said])) {
      this.#emit("word", { context: track.context, word: track.words[track.said], index: track.said++ });
    }
    if (track.gone || track.paused) return;
    const left = track.until === null ? Infinity : ((track.until - frame) / this.#audio.sampleRate) * 1000;
    if (left <= 0) {
      this.#finish(track);
      this.#check();
    } else {
      const next = Math.min(track.segments[track.shown]?.start_ms ?? Infinity, track.words[track.said]?.start_ms ?? Infinity);
      this.#later(Math.min(left, next - ms));
    }
  }

  /** @param {number} ms */
  #later(ms) {
    if (ms < 1000 && this.#audio.state === "running") this.#timer = setTimeout(() => this.#check(), Math.max(1, ms));
  }

  /** Silences it and is done with it. @param {Track} track */
  #drop(track) {
    this.#sink?.post("flush", track.id);
    this.#finish(track);
  }

  /** @param {Track} track */
  #finish(track) {
    if (track.finished) return;
    if (track === this.#tracks[0]) this.#last = this.#heard(track);
    track.finished = track.gone = true;
    this.#tracks = this.#tracks.filter((other) => other !== track);
    track.decoder?.close();
    const figures = track.figures(this.#clocks());
    try {
      if (track.clocks) track.context.report(figures);
    } catch {
      // The connection is gone, and the server with it.
    }
    this.#emit("end", { context: track.context, error: track.error, figures });
    track.settle();
    this.#update();
  }

  /** The same moment by the page's clock and the loudspeaker's, in ms. */
  #clocks() {
    const { contextTime, performanceTime } = this.#audio.getOutputTimestamp?.() ?? {};
    if (contextTime && performanceTime) return { wall: performanceTime, sound: contextTime * 1000 };
    return { wall: performance.now(), sound: this.#audio.currentTime * 1000 };
  }

  /** The frame that is heard now. */
  #frame() {
    const latency = this.#audio.outputLatency || this.#audio.baseLatency || 0;
    return (this.#audio.currentTime - latency) * this.#audio.sampleRate;
  }

  /** How far a track is heard, in ms. @param {Track} track */
  #heard(track) {
    return this.#clock ? (this.#clock.position(track.id, this.#frame()) * 1000) / this.#audio.sampleRate : 0;
  }

  #update() {
    const audio = /** @type {string} */ (this.#audio.state);
    this.#ran ||= audio === "running";
    let state = "ready";
    if (this.#closed || audio === "closed") state = "closed";
    else if (audio !== "running") state = this.#ran ? "interrupted" : "locked";
    else if (this.#tracks.length) state = this.#tracks[0].paused ? "paused" : "playing";
    const { mode } = this;
    if (state === this.#state && mode === this.#shown) return;
    this.#state = state;
    this.#shown = mode;
    this.#emit("state", { state, mode, reason: this.#reason });
  }

  /** @param {string} type @param {any} detail */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

const nothing = () => new StreamerError("context_conflict", "nothing is being played");
