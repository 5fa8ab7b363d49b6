import { StreamerError } from "./errors.js";
import { Offsets } from "./offsets.js";
import { localize, pieces } from "./protocol.js";
import { abortable, deferred, quiet } from "./waiting.js";
/** @import * as types from "../index.d.ts" */
/** @import { Command, Failed } from "./protocol.js" */

/**
 * The connection, as far as a context knows it: `send` drops what can't be sent now, as `replay` says it again.
 * @typedef {{ send(command: Command): void, forget(context: Context): void }} Link
 */

/**
 * One utterance: text in, events out, within bounds; and a log of what was said, for another socket.
 * @implements {types.Context}
 */
export class Context {
  /** @type {types.Started | null} */
  started = null;
  /** @type {types.Done | types.Interrupted | null} */
  ending = null;
  /** @type {unknown} */
  error = null;
  over = false;
  /** @type {types.Word[]} */
  words = [];
  /** The last message received; -1: none. */
  sequence = -1;
  /** Has somebody asked for its events? */
  read = false;

  #text = "";
  #offsets = new Offsets();
  #half = ""; // of a pair of surrogates: the other half is still to come
  /** @type {{ at: number, characters: number, command: Command }[]} */
  #log = [];
  /** @type {types.ContextEvent[]} */
  #waiting = [];
  #held = 0;
  #muted = false;
  #raised = false;
  #news = deferred();
  #ended = deferred();
  /** @type {{ command: Command, answered: (event: any) => void } | null} not answered yet */
  #asked = null;
  #turn = Promise.resolve();
  #inputOver = false;
  /** @type {types.Paused | null} */
  #paused = null;
  /** @type {number | undefined} */
  #played;
  /** @type {AbortSignal | undefined} */
  #signal;
  #abort = () => this.abandon(this.#signal?.reason);

  /**
   * @param {string} id
   * @param {types.StartOptions} options
   * @param {Link} link
   * @param {number} bound bytes that may wait to be read
   */
  constructor(id, { signal, audio, ...options }, link, bound) {
    this.id = id;
    this.link = link;
    this.bound = bound;
    this.start = { type: "start", context: id, ...options, audio: typeof audio === "string" ? { codec: audio } : audio };
    this.#signal = signal;
    signal?.addEventListener("abort", this.#abort);
  }

  get text() {
    return this.#text + this.#half;
  }

  // What its owner says.

  /**
   * @param {string} text
   * @param {types.PushOptions} [options]
   */
  push(text, options) {
    this.#check();
    text = this.#half + text;
    const whole = text.replace(/[\uD800-\uDBFF]$/, "");
    this.#half = text.slice(whole.length);
    this.#say(whole.replace(/\p{Surrogate}/gu, "\uFFFD"), options);
  }

  flush() {
    this.#check();
    this.#record({ type: "flush" });
  }

  end() {
    this.#check();
    if (this.#half) this.#say("\uFFFD");
    this.#half = "";
    this.#inputOver = true;
    this.#record({ type: "end" });
  }

  /** Was its last text pushed? */
  get closed() {
    return this.#inputOver || this.over;
  }

  /** @param {number} played_ms */
  played(played_ms) {
    this.#played = played_ms;
    if (!this.over) this.link.send({ type: "played", context: this.id, played_ms });
  }

  /** @param {types.Figures} figures */
  report(figures) {
    this.link.send({ type: "report", context: this.id, ...figures });
  }

  /**
   * @param {types.StopOptions} [options]
   * @returns {Promise<types.Interrupted>}
   */
  interrupt({ played_ms, signal } = {}) {
    const stopped = this.#stop({ type: "interrupt", played_ms }, signal);
    return quiet(stopped.then(() => this.#heard("interrupted", played_ms)));
  }

  /** @param {{ signal?: AbortSignal }} [options] */
  cancel({ signal } = {}) {
    return quiet(this.#stop({ type: "cancel" }, signal));
  }

  /**
   * @param {types.StopOptions} [options]
   * @returns {Promise<types.Paused>}
   */
  pause({ played_ms, signal } = {}) {
    return this.#next(async () => {
      const answer = await this.#ask({ type: "pause", played_ms });
      return (this.#paused = answer ?? this.#heard("paused", played_ms));
    }, signal);
  }

  /**
   * @param {{ signal?: AbortSignal }} [options]
   * @returns {Promise<types.Continued>}
   */
  continue({ signal } = {}) {
    return this.#next(async () => {
      if (!this.#paused) throw this.#conflict("is not paused");
      const answer = await this.#ask({ type: "continue" });
      const { heard_text } = answer ? this.#paused : this.#heard("paused");
      this.#paused = null;
      if (answer) return answer;
      const offset = heard_text.length;
      const at_ms = this.ending?.type === "done" ? this.ending.audio_ms : 0;
      return { type: "continued", context: this.id, sequence: -1, at_ms, offset, codepoint: this.#offsets.toCodepoint(offset) };
    }, signal);
  }

  // What it hears.

  /** @returns {AsyncIterableIterator<types.ContextEvent>} */
  [Symbol.asyncIterator]() {
    this.read = true;
    return {
      next: () => this.#read(),
      return: async () => {
        this.abandon();
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  /** @returns {Promise<IteratorResult<types.ContextEvent, undefined>>} */
  async #read() {
    for (;;) {
      const value = this.#waiting.shift();
      if (value) {
        this.#held -= size(value);
        return { done: false, value };
      }
      if (this.over) {
        if (this.error === null || this.#raised) return { done: true, value: undefined };
        this.#raised = true;
        throw this.error;
      }
      await this.#news.promise;
    }
  }

  // What its connection tells it.

  /** @param {types.ContextEvent | Failed} event that is not a repetition */
  take(event) {
    if (this.over) return;
    if (event.type === "error") {
      localize(event.error.details, this.#offsets);
      return this.fail(event.error);
    }
    localize(event, this.#offsets);
    switch (event.type) {
      case "started":
        this.started = event;
        break;
      case "words":
        this.words.push(...event.words);
        break;
      case "paused":
      case "continued": {
        const asked = this.#asked;
        if (asked?.command.type !== { paused: "pause", continued: "continue" }[event.type]) return; // said twice
        this.#asked = null;
        if (event.type === "paused") this.#paused = event;
        else this.words = this.words.filter((word) => word.end_ms <= (this.#paused?.played_ms ?? 0));
        asked.answered(event);
        break;
      }
      case "done":
      case "interrupted":
        this.ending = event;
        this.#finish();
    }
    if (this.#muted && !this.over) return;
    this.#waiting.push(event);
    this.#held += size(event);
    this.#wake();
    if (this.#held > this.bound && !this.over) {
      this.abandon(new StreamerError("stalled_reader", `${this.bound} bytes of this context wait to be read`, { context: this.id }));
    }
  }

  /** @param {unknown} error that it ends with, without a word of the server; null: nobody wants it any more */
  fail(error) {
    if (this.over) return;
    this.error = error;
    this.#finish();
    this.#wake();
  }

  /** @param {unknown} [error] why nobody listens any more */
  abandon(error = null) {
    if (this.over) return;
    this.fail(error);
    this.link.forget(this);
  }

  /**
   * What is to be said over a new socket.
   * @param {number} [characters] the server has these of its text; left out: it never heard of this context
   */
  replay(characters) {
    if (characters === undefined) this.link.send(this.start);
    for (const { at, characters: length, command } of this.#log) {
      const known = Math.max(0, (characters ?? 0) - at);
      if (known === 0) this.link.send(command);
      else if (known < length) {
        const text = Array.from(/** @type {string} */ (command.text)).slice(known).join("");
        this.link.send({ type: "text", context: this.id, text, at: at + known });
      }
    }
    if (this.#played !== undefined) this.played(this.#played);
    if (this.#asked) this.link.send(this.#asked.command);
  }

  /**
   * @param {string} text
   * @param {types.PushOptions} [options]
   */
  #say(text, options) {
    for (const piece of pieces(text)) {
      this.#record({ type: "text", text: piece, at: this.#offsets.length, ...options }, piece);
      options = undefined;
    }
  }

  /**
   * @param {Command} command
   * @param {string} [text]
   */
  #record(command, text = "") {
    command.context = this.id;
    const at = this.#offsets.length;
    this.#offsets.add(text);
    this.#text += text;
    this.#log.push({ at, characters: this.#offsets.length - at, command });
    this.link.send(command);
  }

  #check() {
    if (this.error !== null) throw this.error;
    if (this.over) throw this.#conflict("has ended");
  }

  /** @param {string} what */
  #conflict(what) {
    return new StreamerError("context_conflict", `the context ${what}`, { param: "context", context: this.id });
  }

  /**
   * One after the other: of a `pause` and a `continue` on their way nobody could say which was lost.
   * @template T
   * @param {() => Promise<T>} work
   * @param {AbortSignal} [signal]
   * @returns {Promise<T>}
   */
  #next(work, signal) {
    const done = this.#turn.then(work);
    this.#turn = done.then(() => {}, () => {});
    return quiet(abortable(done, signal));
  }

  /**
   * The answer; null where the context is over instead.
   * @param {Command} command
   * @returns {Promise<any>}
   */
  #ask(command) {
    if (this.over || this.#muted) return this.#ended.promise.then(() => null);
    command.context = this.id;
    return new Promise((resolve) => {
      this.#asked = { command, answered: resolve };
      this.#ended.promise.then(() => resolve(null));
      this.link.send(command);
    });
  }

  /**
   * @param {Command} command
   * @param {AbortSignal} [signal]
   * @returns {Promise<void>}
   */
  async #stop(command, signal) {
    signal?.throwIfAborted();
    if (!this.over) {
      this.#muted = true;
      this.#waiting.length = this.#held = 0;
      command.context = this.id;
      this.#asked = { command, answered() {} };
      this.link.send(command);
    }
    await abortable(this.#ended.promise, signal);
  }

  /**
   * What was heard, of a context that is over.
   * @template {"paused" | "interrupted"} T
   * @param {T} type
   * @param {number} [played_ms]
   * @returns {types.Paused & types.Interrupted & { type: T }}
   */
  #heard(type, played_ms = this.#played) {
    if (this.error !== null) throw this.error;
    const { ending, text } = this;
    if (ending?.type === "interrupted") return /** @type {any} */ (type === ending.type ? ending : { ...ending, type });
    if (ending?.type !== "done" || ending.reason === "cancelled") throw this.#conflict("was cancelled");
    if (this.#paused) return /** @type {any} */ ({ ...this.#paused, type });
    const rate = this.started?.audio.sample_rate ?? 48000;
    const samples = (/** @type {number} */ ms) => Math.round((ms * rate) / 1000);
    const played = Math.min(ending.samples, samples(played_ms ?? Infinity));
    const heard_words = this.words.filter((word) => samples(word.end_ms) <= played);
    const length = played === ending.samples ? text.length : heardLength(text, heard_words);
    return /** @type {any} */ ({
      type,
      context: this.id,
      sequence: -1,
      heard_text: text.slice(0, length),
      heard_words,
      unspoken_text: text.slice(length),
      played_ms: Math.min(ending.audio_ms, played_ms ?? Infinity),
      clock: "client",
    });
  }

  #finish() {
    this.over = true;
    this.#asked = null;
    this.#log = [];
    this.#signal?.removeEventListener("abort", this.#abort);
    this.#ended.resolve();
  }

  #wake() {
    this.#news.resolve();
    this.#news = deferred();
  }
}

/**
 * Through the last word heard and the marks that stick to it.
 * @param {string} text
 * @param {types.Word[]} words
 */
function heardLength(text, words) {
  const last = words.at(-1);
  if (!last) return 0;
  const end = last.offset + last.text.length;
  return end + (/^[^\s\p{L}\p{N}]*/u.exec(text.slice(end))?.[0].length ?? 0);
}

/**
 * About what an event takes in memory, in bytes.
 * @param {types.ContextEvent} event
 */
function size(event) {
  if (event.type === "audio") return 300 + event.data.length;
  return event.type === "words" ? 200 * (1 + event.words.length) : 400;
}
