// One utterance after the other: text in, sound and words out, and what the page shows of it.

import { Player } from "/client/player.js";
import { newPlayer } from "./line.js";

/** About what a language model's token is: up to four characters of a word, with the blank before it. */
const TOKEN = /\s*[^\s]{1,4}|\s+/gu;

/**
 * Speaks, and tells `view` what happens: state(text), text(piece), words(words), word(offset), segment(event, ms),
 * segmentHeard(index, ms), figures(object), cut(length), heardAll(), over(line, error), level(ms, peak), player(detail).
 */
export class Speech {
  #view;
  #line;
  #player = null;
  #context = null;
  #feeding = null;
  #begun = 0;
  #figures = {};
  #segments = [];
  #stopping = null;
  paused = false;

  constructor(line, view) {
    this.#line = line;
    this.#view = view;
  }

  get live() {
    return this.#context !== null;
  }

  /** Milliseconds on the sound clock that are heard now. */
  get position() {
    return this.#player?.position ?? 0;
  }

  get seed() {
    return this.#context?.started?.seed ?? this.#figures.seed;
  }

  /** The connection is to be another. */
  close() {
    const player = this.#player;
    this.#player = null;
    if (this.#context) this.#over(this.#context, "Broken off.");
    player?.close();
  }

  /** Speak `text`; with a `rate` it comes in so many tokens a second. Call it in a gesture. */
  async start(text, options, rate) {
    const player = this.#ready();
    await player.unlock();
    if (player !== this.#player) return; // closed meanwhile
    this.#begun = performance.now();
    this.#figures = {};
    this.#segments = [];
    this.paused = false;
    const context = this.#line.client.start({ ...options, audio: Player.audio(), trace: true });
    this.#context = context;
    player.play(context).catch(() => {}); // `end` tells it
    this.#feeding = new AbortController();
    this.#feed(context, text, rate, this.#feeding.signal);
  }

  /** Resolves when it is over, in whatever way. */
  async interrupt() {
    this.#feeding?.abort();
    if (this.#context) await (this.#stopping ??= this.#stop(this.#context).finally(() => { this.#stopping = null; }));
  }

  async #stop(context) {
    let told;
    try {
      told = await this.#player.interrupt();
    } catch (error) {
      return this.#over(context, "", error);
    }
    if (context !== this.#context) return;
    this.#view.cut(told.heard_text.length);
    const last = told.heard_words.at(-1);
    this.#over(context, last ? `Interrupted. Heard as far as “${last.text}”.` : "Interrupted before the first word.");
  }

  async pause() {
    this.paused = true;
    const context = this.#context;
    const told = await this.#player.pause();
    if (context !== this.#context || !this.paused) return;
    const last = told.heard_words.at(-1);
    this.#view.state(last ? `Paused after “${last.text}”.` : "Paused before the first word.");
  }

  async continue() {
    this.paused = false;
    this.#view.state("Going on at the word that was not heard to its end.");
    await this.#player.continue();
  }

  async unlock() {
    await this.#player?.unlock();
  }

  /** Its player, made when first needed. */
  #ready() {
    if (this.#player) return this.#player;
    const player = newPlayer(this.#line);
    player.addEventListener("event", ({ detail }) => this.#message(detail.event));
    player.addEventListener("word", ({ detail }) => this.#view.word(detail.word.offset));
    player.addEventListener("segment", ({ detail }) => this.#segmentHeard(detail.segment));
    player.addEventListener("underrun", ({ detail }) => this.#tell({ underruns: detail.count }));
    player.addEventListener("level", ({ detail }) => this.#view.level(this.position, detail.level));
    player.addEventListener("state", ({ detail }) => this.#view.player(detail));
    player.addEventListener("end", ({ detail }) => this.#ended(detail.context, detail.error));
    return (this.#player = player);
  }

  async #feed(context, text, rate, signal) {
    const pieces = rate ? text.match(TOKEN) ?? [] : [text];
    for (const piece of pieces) {
      if (signal.aborted || context.over) return;
      context.push(piece);
      this.#view.text(piece);
      if (rate) await new Promise((go) => setTimeout(go, 1000 / rate));
    }
    if (!signal.aborted && !context.over) context.end();
  }

  /** What has come from the server, at once. */
  #message(event) {
    if (event.context !== this.#context?.id) return;
    const since = this.#since();
    switch (event.type) {
      case "started":
        this.#tell({ engine: event.engine, voice: event.voice, seed: event.seed, codec: event.audio.codec });
        if (event.warnings.length) this.#view.state(`Ignored by this engine: ${event.warnings.join(", ")}.`);
        break;
      case "audio":
        if (this.#figures.packet === undefined) this.#tell({ packet: since });
        break;
      case "segment":
        this.#view.segment(event, since);
        break;
      case "words":
        this.#view.words(event.words);
        break;
      case "done":
        this.#tell({ audio: event.audio_ms, server: event.first_audio_ms });
        break;
    }
  }

  #segmentHeard(segment) {
    const at = this.#since();
    if (this.#figures.sound === undefined) this.#tell({ sound: at });
    const before = this.#segments.at(-1);
    if (before !== undefined && before !== segment.index) this.#view.segmentEnded(before, at);
    this.#segments.push(segment.index);
    this.#view.segmentHeard(segment.index, at);
  }

  #ended(context, error) {
    if (context !== this.#context || (this.#stopping && !error)) return;
    if (this.#segments.length) this.#view.segmentEnded(this.#segments.at(-1), this.#since());
    if (error) return this.#over(context, "", error);
    const { audio } = this.#figures;
    this.#view.heardAll();
    this.#over(context, audio ? `${(audio / 1000).toFixed(1)} s of speech, heard to the end.` : "There was nothing to say.");
  }

  #over(context, line, error = null) {
    if (context !== this.#context) return;
    this.#feeding?.abort();
    this.#context = null;
    this.paused = false;
    this.#view.over(line, error);
  }

  #tell(figures) {
    Object.assign(this.#figures, figures);
    this.#view.figures(this.#figures);
  }

  #since() {
    return performance.now() - this.#begun;
  }
}
