import { StreamerError } from "./errors.js";
import { Said } from "./said.js";
import { abortable, deferred, quiet } from "./waiting.js";
/** @import * as types from "../index.d.ts" */
/** @import { Asked, Begun, Command, Deferred, Link, Told } from "./types.js" */

export class Context {
  /** @type {types.Started | null} */
  started = null;
  /** @type {types.Done | types.Interrupted | null} */
  ending = null;
  /** @type {unknown} */
  error = null;
  over = false;
  /** @type {number | null} */
  since = null;
  /** @type {types.Word[]} */
  words = [];
  sequence = -1;
  read = false;
  /** Takes no more text. */
  closed = false;

  #said;
  /** @type {types.ContextEvent[]} */
  #waiting = [];
  #held = 0;
  #muted = false;
  #raised = false;
  /** @type {Deferred} */
  #news = deferred();
  /** @type {Deferred} */
  #ended = deferred();
  /** @type {Asked | null} */
  #asked = null;
  /** @type {Promise<unknown>} */
  #turn = Promise.resolve();
  /** @type {types.Paused | null} */
  #paused = null;
  /** @type {number | undefined} */
  #played;
  #link;
  #signal;
  #abort = () => this.abandon(this.#signal?.reason);

  /** @param {string} id @param {Begun} options @param {Link} link */
  constructor(id, { signal, audio, ...options }, link) {
    this.id = id;
    this.start = { type: "start", context: id, ...options, audio: typeof audio === "string" ? { codec: audio } : audio };
    const quoted = options.type === "subscribe" || options.input === "captions";
    this.pausable = !quoted && !options.channel;
    this.#said = new Said(quoted, (command) => this.#send(command));
    this.#link = link;
    this.#signal = signal;
    signal?.addEventListener("abort", this.#abort);
  }

  /** @param {number} ms */
  samples = (ms) => Math.round((ms * (this.started?.audio.sample_rate ?? 48000)) / 1000);

  get text() {
    return this.#said.text;
  }

  /** @type {types.Context["push"]} */
  push(text, options) {
    this.#check(text);
    this.since ??= performance.now();
    this.#said.push(text, options);
  }

  /** @type {types.Context["cue"]} */
  cue(cue) {
    this.#check(cue.text);
    this.since ??= performance.now();
    return this.#said.cue(cue);
  }

  flush() {
    this.#check();
    this.#said.record({ type: "flush" });
  }

  end() {
    this.#check();
    this.#said.end();
    this.closed = true;
  }

  /** @type {types.Context["played"]} */
  played(played_ms) {
    this.#played = played_ms;
    if (!this.over) this.#send({ type: "played", played_ms });
  }

  /** @type {types.Context["report"]} */
  report(figures) {
    this.#send({ type: "report", ...figures });
  }

  /** @type {types.Context["interrupt"]} */
  interrupt({ played_ms, signal } = {}) {
    return quiet(this.#stop({ type: "interrupt", played_ms }, signal).then(() => this.#heard("interrupted", played_ms)));
  }

  /** @type {types.Context["cancel"]} */
  cancel({ signal } = {}) {
    return quiet(this.#stop({ type: "cancel" }, signal));
  }

  /** @type {types.Context["pause"]} */
  pause({ played_ms, signal } = {}) {
    return this.#next(async () => {
      if (!this.pausable) throw this.#conflict("can't be paused", "not_available");
      const answer = await this.#ask({ type: "pause", played_ms });
      return (this.#paused = answer ?? (await this.#heard("paused", played_ms)));
    }, signal);
  }

  /** @type {types.Context["continue"]} */
  continue({ signal } = {}) {
    return this.#next(async () => {
      if (!this.#paused) throw this.#conflict("is not paused");
      const answer = await this.#ask({ type: "continue" });
      const paused = answer ?? (await this.#heard("paused"));
      this.#paused = null;
      return answer ?? (await import("./heard.js")).continued(this, paused);
    }, signal);
  }

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

  /** @param {Told} event off the wire */
  take(event) {
    if (this.over) return;
    this.#said.heard(event.type === "error" ? event.error.details : event);
    switch (event.type) {
      case "error":
        return this.fail(event.error);
      case "started":
        this.started = event;
        break;
      case "words":
        this.words.push(...event.words);
        if (this.#said.quoted) this.words.splice(0, this.words.length - 20_000); // 2 h
        break;
      case "paused":
      case "continued": {
        const asked = this.#asked;
        if (!asked || !event.type.startsWith(asked.command.type)) return; // said twice
        this.#asked = null;
        if (event.type === "paused") this.#rewind((this.#paused = event));
        asked.answered?.(event);
        break;
      }
      case "done":
      case "interrupted":
        this.ending = event;
        quiet(import("./heard.js")); // while the server is there
        this.#finish();
    }
    if (this.#muted && !this.over) return;
    this.#waiting.push(event);
    this.#held += size(event);
    this.#wake();
    const { bufferBytes } = this.#link;
    if (this.#held > bufferBytes) {
      this.abandon(new StreamerError("stalled_reader", `${bufferBytes} bytes wait to be read`, { context: this.id, retryable: true }));
    }
  }

  /** @param {unknown} error that ends it; null: nobody wants it any more */
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
    this.#link.forget(this);
  }

  /** Over a new socket. @param {number} [known] characters that the server has; left out: it has nothing */
  replay(known) {
    if (known === undefined) this.#link.send(this.start);
    this.#said.again(known);
    if (this.#asked) this.#send(this.#asked.command);
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

  /** @param {types.Paused} paused the rest comes again */
  #rewind({ played_ms, heard_text }) {
    const begin = this.words.find((word) => word.end_ms > played_ms)?.start_ms ?? played_ms;
    const heard = (/** @type {types.Word} */ { end_ms }) => end_ms <= played_ms;
    this.words = this.words.filter(heard);
    this.#held = 0;
    this.#waiting = this.#waiting.filter((event) => {
      if (event.type === "words") event.words = event.words.filter(heard);
      const again =
        (event.type === "audio" && event.pts >= this.samples(begin)) ||
        (event.type === "segment" && event.offset >= heard_text.length) ||
        (event.type === "mark" && event.at_ms >= begin) ||
        (event.type === "words" && !event.words.length);
      if (!again) this.#held += size(event);
      return !again;
    });
  }

  /** @param {Command} command */
  #send(command) {
    this.#link.send({ ...command, context: this.id });
  }

  /** May this be said? */
  #check(text = "") {
    if (this.error !== null) throw this.error;
    if (this.over) throw this.#conflict("has ended");
    if (this.start.type === "subscribe") throw this.#conflict("is only listened to", "not_available");
    if (text && !this.#link.room(text)) throw new StreamerError("text_limit", "too much text waits for a socket", { param: "text" });
  }

  /** @param {string} what */
  #conflict(what, code = "context_conflict") {
    return new StreamerError(code, `the context ${what}`, { param: "context", context: this.id });
  }

  /**
   * One after the other, so that it is known which was lost.
   * @param {() => Promise<any>} work
   * @param {AbortSignal} [signal]
   */
  #next(work, signal) {
    const done = this.#turn.then(() => (signal?.throwIfAborted(), work()));
    this.#turn = quiet(done).catch(() => {});
    return quiet(abortable(done, signal));
  }

  /**
   * The answer; null where the context is over instead.
   * @param {Command} command
   * @returns {Promise<any>}
   */
  #ask(command) {
    return new Promise((resolve) => {
      this.#ended.promise.then(() => resolve(null));
      if (this.over || this.#muted) return;
      this.#asked = { command, answered: resolve };
      this.#send(command);
    });
  }

  /** @param {Command} command @param {AbortSignal} [signal] */
  async #stop(command, signal) {
    signal?.throwIfAborted();
    if (!this.over) {
      this.#muted = true;
      this.#waiting.length = this.#held = 0;
      this.#asked = { command };
      this.#send(command);
    }
    await abortable(this.#ended.promise, signal);
  }

  /**
   * What was heard, of a context that is over.
   * @param {"paused" | "interrupted"} type
   * @param {number} [played_ms]
   * @returns {Promise<any>}
   */
  async #heard(type, played_ms = this.#played ?? Infinity) {
    if (this.error !== null) throw this.error;
    const { ending } = this;
    if (ending?.type === "interrupted") return { ...ending, type };
    if (ending?.type !== "done" || ending.reason === "cancelled") throw this.#conflict("was cancelled");
    const { heard } = await import("./heard.js");
    return { ...(this.#paused ?? heard(this, ending, played_ms)), type };
  }

  #finish() {
    this.over = this.closed = true;
    this.#asked = null;
    this.#said.forget();
    this.#signal?.removeEventListener("abort", this.#abort);
    this.#ended.resolve();
  }

  #wake() {
    this.#news.resolve();
    this.#news = deferred();
  }
}

/** @param {any} event about how many bytes it takes */
const size = ({ data, words }) => 300 + (data?.length ?? 0) + 200 * (words?.length ?? 0);
