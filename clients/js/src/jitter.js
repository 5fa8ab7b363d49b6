// The queue between decoder and loudspeaker. `Jitter` and `register` refer to nothing outside themselves: their source
// text is what the Blob of the worklet is made of, so there is one queue for worklet, page and tests.
//
// A track is one utterance; its id is its generation, never used twice: what comes for a track that is gone is dropped.
// Media positions are samples of a track's sound, from 0; frames are samples of the AudioContext's own clock.

export class Jitter {
  /**
   * @param {number} rate Hz
   * @param {(notice: any) => void} tell
   * @param {number} [prebufferMs]
   */
  constructor(rate, tell, prebufferMs = 60) {
    const samples = (/** @type {number} */ ms) => Math.round((rate * ms) / 1000);
    this.tell = tell;
    this.ramp = samples(5);
    this.history = samples(10_000);
    this.least = samples(prebufferMs);
    this.prebuffer = this.least;
    this.most = this.least + samples(400);
    this.step = samples(20);
    this.calm = samples(10_000);
    this.smooth = 0;
    /** @type {any[]} */
    this.tracks = [];
    this.sounding = false;
    this.frame = 0;
    this.squares = 0;
    this.ticked = 0;
  }

  /** A new track, behind those that are there. @param {number} id */
  open(id) {
    // `at`: next to be read. `end`: behind what was pushed. `ahead`: samples pushed and not read.
    this.tracks.push({
      id, pieces: [], next: 0, at: 0, end: 0, ahead: 0, total: Infinity, read: 0, held: false, dry: false, fall: 0, rise: 0, then: "",
    });
  }

  /**
   * @param {number} id
   * @param {number} at where it lies; negative is a codec's lead-in
   * @param {Float32Array} samples
   * @param {boolean} [joins] the engine may have paused before it: to have run dry here is no underrun
   */
  push(id, at, samples, joins = false) {
    const track = this.find(id);
    if (!track) return;
    const from = Math.max(0, track.end - at), until = Math.min(samples.length, track.total - at);
    if (from >= until) return;
    if (track.dry && !joins) this.underrun(track);
    track.dry = false;
    track.pieces.push({ at: at + from, samples: samples.subarray(from, until) });
    track.end = at + until;
    track.ahead += until - from;
  }

  /** Nothing more comes; the sound is `total` samples long. @param {number} id @param {number} total */
  end(id, total) {
    const track = this.find(id);
    if (!track) return;
    track.total = total;
    for (let last; (last = track.pieces.at(-1)) && last.at + last.samples.length > total; ) {
      const keep = Math.max(0, total - last.at), drop = last.samples.length - keep;
      track.ahead -= Math.min(drop, track.ahead);
      if (keep) last.samples = last.samples.subarray(0, keep);
      else track.pieces.pop();
      track.end = last.at + keep;
    }
    track.next = Math.min(track.next, track.pieces.length);
  }

  /** Silence, and forget the track. @param {number} id */
  flush(id) {
    this.stop(id, "flush");
  }

  /** Silence, until `go`. @param {number} id */
  hold(id) {
    this.stop(id, "hold");
  }

  /** On from `at`, which may lie behind what came so far, or in the past. @param {number} id @param {number} at */
  go(id, at) {
    const track = this.find(id);
    if (!track) return;
    if (track.fall) this.stopped(track);
    // What was sent and never heard has lost its place, should a later pause look back.
    if (at >= track.end) track.pieces.length = track.next;
    const end = (/** @type {any} */ piece) => piece.at + piece.samples.length;
    const next = track.pieces.findIndex((/** @type {any} */ piece) => end(piece) > at);
    track.next = next < 0 ? track.pieces.length : next;
    track.at = next < 0 ? at : Math.max(at, track.pieces[next].at);
    track.end = Math.max(track.end, at);
    track.ahead = 0;
    for (const piece of track.pieces.slice(track.next)) track.ahead += end(piece) - Math.max(track.at, piece.at);
    track.held = track.dry = false;
    track.rise = this.ramp;
  }

  /** Where sound that was read ahead was really cut off: it is to be read again. @param {number} id @param {number} at */
  back(id, at) {
    const track = this.find(id);
    if (!track || at >= track.at) return;
    this.go(id, at);
    track.rise = 0;
  }

  /**
   * The next samples; returns how many there are, the rest of `out` is left as it is.
   * @param {Float32Array} out @param {number} frame of the first of them
   */
  read(out, frame) {
    let done = 0;
    if (this.sounding && frame !== this.frame) this.lapse();
    while (done < out.length) {
      const track = this.tracks[0];
      this.frame = frame + done;
      if (!track || track.held) break;
      const ended = track.total < Infinity;
      if (ended && !track.ahead) {
        this.finish(track);
        continue;
      }
      if (!track.ahead) {
        if (this.sounding) this.silent(track);
        if (track.fall) this.stopped(track);
        break;
      }
      if (!this.sounding && !ended && track.ahead < this.prebuffer) break;
      done += this.copy(track, out, done);
    }
    this.frame = frame + out.length;
    this.meter(out, done);
    return done;
  }

  /** @param {any} track @param {Float32Array} out @param {number} done */
  copy(track, out, done) {
    const piece = track.pieces[track.next];
    if (!this.sounding || track.at < piece.at || !track.read) {
      track.at = Math.max(track.at, piece.at);
      this.sounding = true;
      this.anchor(track, true);
    }
    const from = track.at - piece.at;
    const count = Math.min(out.length - done, piece.samples.length - from, track.fall || Infinity, track.rise || Infinity);
    for (let i = 0; i < count; i++) {
      let sample = piece.samples[from + i];
      if (track.rise) sample *= 1 - (track.rise - i - 1) / this.ramp;
      if (track.fall) sample *= (track.fall - i) / this.ramp;
      out[done + i] = sample;
    }
    track.at += count;
    track.read += count;
    track.ahead -= count;
    if (from + count === piece.samples.length) track.next++;
    if (track.rise) track.rise -= count;
    this.frame += count;
    if (track.fall && !(track.fall -= count)) this.stopped(track);
    this.relax(track, count);
    return count;
  }

  /** @param {any} track @param {number} count */
  relax(track, count) {
    this.smooth += count;
    if (this.smooth > this.calm) {
      this.smooth = 0;
      this.prebuffer = Math.max(this.least, this.prebuffer - (this.step >> 2));
    }
    let old = 0;
    while (old < track.next && track.pieces[old].at < track.at - this.history) old++;
    if (old > 64) {
      track.pieces.splice(0, old);
      track.next -= old;
    }
  }

  /** @param {any} track */
  underrun(track) {
    this.smooth = 0;
    this.prebuffer = Math.min(this.most, this.prebuffer + this.step);
    this.tell({ type: "underrun", id: track.id, cause: "late" });
  }

  /** @param {any} track */
  silent(track) {
    this.sounding = false;
    track.dry = true;
    this.anchor(track, false);
  }

  /** The loudspeaker went on without us, as on a machine that is too busy: no prebuffer helps. */
  lapse() {
    const track = this.tracks[0];
    if (!track) return;
    this.silent(track);
    track.dry = false;
    this.tell({ type: "underrun", id: track.id, cause: "skipped" });
  }

  /** @param {number} id @param {string} then */
  stop(id, then) {
    const track = this.find(id);
    if (!track) return;
    track.then = then;
    if (track !== this.tracks[0] || !this.sounding) this.stopped(track);
    else track.fall ||= this.ramp;
  }

  /** @param {any} track */
  stopped(track) {
    if (track === this.tracks[0]) {
      if (this.sounding) this.anchor(track, false);
      this.sounding = false;
    }
    track.fall = track.rise = 0;
    track.held = true;
    if (track.then === "flush") this.tracks.splice(this.tracks.indexOf(track), 1);
    this.tell({ type: "stopped", id: track.id, media: track.at, frame: this.frame, samples: track.read });
  }

  /** @param {any} track */
  finish(track) {
    this.tracks.shift();
    if (!this.tracks[0]?.ahead) this.sounding = false;
    this.anchor(track, false);
    this.tell({ type: "end", id: track.id, media: track.at, frame: this.frame, samples: track.read });
  }

  /** @param {any} track @param {boolean} running */
  anchor(track, running) {
    this.tell({ type: "anchor", id: track.id, media: track.at, frame: this.frame, running });
  }

  /** @param {Float32Array} out @param {number} done */
  meter(out, done) {
    for (let i = 0; i < done; i++) this.squares += out[i] * out[i];
    this.ticked += out.length;
    if (this.ticked < this.step || !(this.tracks.length || this.squares)) return;
    this.tell({ type: "level", level: Math.sqrt(this.squares / this.ticked) });
    this.ticked = this.squares = 0;
  }

  /** @param {number} id */
  find(id) {
    return this.tracks.find((track) => track.id === id);
  }
}

/** Where the sound is on the context's clock: anchors {id, media, frame, running}, in the order of their frames. */
export class Clock {
  constructor() {
    /** @type {any[]} */
    this.anchors = [];
  }

  /** @param {any} anchor */
  add(anchor) {
    this.anchors.push(anchor);
    if (this.anchors.length > 400) this.anchors.splice(0, 200);
  }

  /** Forget what was to come behind `frame`. @param {number} frame */
  cut(frame) {
    while (this.anchors.length && this.anchors[this.anchors.length - 1].frame > frame) this.anchors.pop();
  }

  /** What is in the air at `frame`: {id, media}, or nothing before the first sound. @param {number} frame */
  at(frame) {
    let i = this.anchors.length;
    while (i && this.anchors[i - 1].frame > frame) i--;
    const anchor = this.anchors[i - 1];
    return anchor && { ...anchor, media: anchor.media + (anchor.running ? frame - anchor.frame : 0) };
  }

  /** How far track `id` has been heard at `frame`, in samples. @param {number} id @param {number} frame */
  position(id, frame) {
    const heard = this.at(frame);
    if (heard?.id === id) return heard.media;
    const last = this.anchors.findLast((anchor) => anchor.id === id && anchor.frame <= frame);
    return last ? last.media : 0;
  }
}

/**
 * The processor "streamer-player" around a queue. Messages to it are [method, ...arguments].
 * @param {typeof Jitter} Queue
 */
export function register(Queue) {
  const scope = /** @type {any} */ (globalThis);
  scope.registerProcessor("streamer-player", class extends scope.AudioWorkletProcessor {
    constructor(/** @type {any} */ { processorOptions }) {
      super();
      this.live = true;
      this.frame = 0;
      this.queue = new Queue(scope.sampleRate, (notice) => this.port.postMessage(notice), processorOptions.prebufferMs);
      this.port.onmessage = (/** @type {any} */ { data: [name, ...values] }) => {
        if (name === "close") this.live = false;
        else /** @type {any} */ (this.queue)[name](...values);
      };
    }

    process(/** @type {any} */ _inputs, /** @type {any} */ [[out]]) {
      // Chromium leaves `currentFrame` as it was where the page holds its lock: the next tells how far it really is.
      this.frame = Math.max(this.frame, scope.currentFrame);
      this.queue.read(out, this.frame);
      this.frame += out.length;
      return this.live;
    }
  });
}

/** The worklet's module as text, for a Blob: the very functions of this file. */
export const source = () => `(${register})(${Jitter});`;
