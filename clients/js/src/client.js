import { dial } from "./connection.js";
import { Context } from "./contexts.js";
import { StreamerError } from "./errors.js";
import { Decoder, addresses, encode, subprotocols } from "./protocol.js";
import { abortable, deferred, quiet } from "./waiting.js";
/** @import * as types from "../index.d.ts" */
/** @import { Begun, Command, Connection, Gone, Link, Resumed, Session, Told } from "./types.js" */

const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 10_000;
const RESUME_S = 30;
const REMEMBERED = 64; // contexts that are over: more than a server does

/** Close codes of a session that does not go on, or does so elsewhere. */
const FINAL = [1002, 1007, 4000, 4002, 4003];

/** @type {types.Environment} */
const ENVIRONMENT = { setTimeout, clearTimeout, fetch, now: () => performance.now(), random: Math.random };

/** @param {string} message @param {types.ErrorFields} [fields] */
const lost = (message, fields) => new StreamerError("context_lost", message, { retryable: true, ...fields });

export class StreamerClient extends EventTarget {
  /** @type {types.ClientState} */
  state = "idle";
  /** @type {types.Ready | null} */
  ready = null;

  #options;
  #defaults;
  /** @type {Map<string, Context>} */
  #contexts = new Map();
  /** @type {Map<string, Gone>} */
  #gone = new Map();
  #count = 0;
  /** @type {Context | null} */
  #current = null;
  #decoder = new Decoder();
  /** @type {Connection | null} */
  #connection = null;
  /** @type {Promise<types.Ready> | null} */
  #opening = null;
  /** @type {Session | null} */
  #session = null;
  /** @type {Command[]} for the next socket */
  #reports = [];
  #unsent = 0; // characters that wait for it
  #closing = new AbortController();

  /** @param {string | URL} url @param {types.ClientOptions} [options] */
  constructor(url, { key, resume = true, signal, WebSocket, bufferBytes = 8 << 20, openTimeout = 10_000, environment, ...defaults } = {}) {
    super();
    signal?.throwIfAborted();
    const place = addresses(url, resume);
    key ??= place.key;
    if (typeof key !== "function") subprotocols(key); // is it one?
    this.#options = { ...place, key, WebSocket, bufferBytes, openTimeout, closing: this.#closing.signal, environment: { ...ENVIRONMENT, ...environment } };
    this.#defaults = defaults;
    signal?.addEventListener("abort", () => this.#close(signal.reason), { signal: this.#closing.signal });
  }

  /** @type {types.StreamerClient["connect"]} */
  connect({ signal } = {}) {
    return quiet(abortable(this.#opening ?? this.#open(), signal));
  }

  /** @param {types.StartOptions} [options] */
  start(options) {
    return this.#begin({ ...this.#defaults, ...options });
  }

  /** @type {types.StreamerClient["subscribe"]} */
  subscribe(channel, options) {
    const { audio, timestamps, captions } = this.#defaults;
    return this.#begin({ audio, timestamps, captions, ...options, type: "subscribe", channel });
  }

  /** @param {Begun} options */
  #begin(options) {
    this.#closing.signal.throwIfAborted();
    options.signal?.throwIfAborted();
    const { bufferBytes } = this.#options;
    /** @type {Link} */
    const link = {
      bufferBytes,
      send: (command) => this.#send(command),
      room: (text) => this.state === "open" || this.#unsent + text.length <= bufferBytes,
      forget: (context) => {
        this.#over(context, false);
        this.#send({ type: "cancel", context: context.id });
      },
    };
    const context = new Context(`c${++this.#count}`, options, link);
    this.#contexts.set(context.id, context);
    if (this.state === "open") this.#send(context.start);
    else this.connect();
    return context;
  }

  async close() {
    this.#close(new StreamerError("closed", "the client was closed"));
  }

  // The short form.

  get current() {
    return (this.#current ??= this.start());
  }

  get #writable() {
    if (this.#current?.closed) this.#current = null;
    return this.current;
  }

  /** @type {types.StreamerClient["push"]} */
  push(text, options) {
    this.#writable.push(text, options);
  }

  flush() {
    this.#writable.flush();
  }

  end() {
    this.#writable.end();
  }

  /** @type {types.StreamerClient["interrupt"]} */
  interrupt(options) {
    return this.current.interrupt(options);
  }

  /** @type {types.StreamerClient["pause"]} */
  pause(options) {
    return this.current.pause(options);
  }

  /** @type {types.StreamerClient["continue"]} */
  continue(options) {
    return this.current.continue(options);
  }

  /** @type {types.StreamerClient["cancel"]} */
  cancel(options) {
    return this.current.cancel(options);
  }

  [Symbol.asyncIterator]() {
    if (this.#current?.over && this.#current.read) this.#current = null;
    return this.current[Symbol.asyncIterator]();
  }

  // Its sockets.

  /** @returns {Promise<types.Ready>} */
  #open() {
    if (this.state === "closed") return Promise.reject(this.#closing.signal.reason);
    const work = this.#until(this.#dial(false));
    this.#become("connecting");
    return work;
  }

  /** @param {Promise<types.Ready>} work */
  #until(work) {
    this.#opening = work;
    work.catch((error) => this.#lose(error));
    return work;
  }

  /** @param {boolean} resume */
  #dial(resume) {
    /** @type {types.Ready} */
    let ready;
    return dial(this.#options, (data) => this.#decoder.decode(data), (event, socket) => {
      if (event.type === "resumed") return this.#attach(socket, ready, event);
      if (event.type !== "ready") return this.#tell(event);
      ready = event;
      if (!resume) return this.#attach(socket, ready, { session: "", contexts: {} });
      socket.send(encode(this.#resume()));
    }, (...how) => this.#lost(...how));
  }

  #resume() {
    const known = [...this.#gone, ...this.#contexts].filter(([, { sequence }]) => sequence >= 0);
    return { type: "resume", ...this.#session, received: Object.fromEntries(known.map(([id, { sequence }]) => [id, sequence])) };
  }

  /** @param {Connection} socket @param {types.Ready} ready @param {Omit<Resumed, "type">} resumed */
  #attach(socket, ready, { session, contexts }) {
    this.#connection = socket;
    this.#unsent = 0;
    this.ready = ready;
    if (session !== this.#session?.session) this.#session = { session: ready.session, token: ready.token };
    this.state = "open"; // from here on what is said is sent
    for (const context of [...this.#contexts.values()]) {
      const held = contexts[context.id];
      if (held?.recovered) context.replay(held.characters);
      else if (context.sequence < 0) context.replay();
      else {
        this.#decoder.forget(context.id);
        this.#over(context, true);
        context.fail(lost("not recovered", { context: context.id }));
      }
    }
    /** @type {Record<string, boolean>} */
    const recovered = {};
    for (const context in contexts) {
      recovered[context] = contexts[context].recovered;
      const wanted = this.#contexts.has(context) || this.#gone.get(context)?.ended;
      if (recovered[context] && !wanted) this.#send({ type: "cancel", context });
    }
    for (const report of this.#reports.splice(0)) this.#send(report);
    this.#become("open");
    if (session) this.#announce("recovered", { contexts: recovered });
    return ready;
  }

  /** @param {Told} event */
  #tell(event) {
    const id = event.context ?? "";
    const context = this.#contexts.get(id);
    const known = context ?? this.#gone.get(id);
    if (!known || (event.type !== "error" && event.sequence <= known.sequence)) return;
    known.sequence = event.sequence;
    context?.take(event);
    if (context?.over && this.#contexts.has(id)) this.#over(context, true);
    else if ("ended" in known) known.ended = /^(done|interrupted|error)$/.test(event.type);
  }

  /**
   * @param {Context} context
   * @param {boolean} ended did the server say so?
   */
  #over({ id, sequence }, ended) {
    this.#contexts.delete(id);
    this.#gone.set(id, { sequence, ended });
    const [oldest] = this.#gone.keys();
    if (this.#gone.size > REMEMBERED) this.#gone.delete(oldest);
  }

  /** @param {unknown} error null: it just broke @param {number} code @param {string} reason */
  #lost(error, code, reason) {
    this.#connection = null;
    if (this.state === "closed") return;
    const final = error instanceof StreamerError ? !/^(stalled_reader|internal_error)$/.test(error.code) : error || FINAL.includes(code);
    if (final || !this.#session?.token) return this.#lose(error);
    this.#until(this.#reconnect(error));
    this.#become("reconnecting");
    this.#announce("lost", { code, reason });
  }

  /** @param {any} cause what the last socket ended by */
  async #reconnect(cause) {
    const { now, random } = this.#options.environment;
    const until = now() + (this.ready?.limits.resume_s ?? RESUME_S) * 1000;
    for (let delay = FIRST_DELAY_MS; ; delay = Math.min(2 * delay, LONGEST_DELAY_MS)) {
      const left = until - now();
      const soonest = Math.max(1000 * cause?.details?.retry_after_s || 0, 0);
      if (soonest >= left) throw lost("it took too long", { cause });
      await this.#sleep(Math.min(soonest + random() * delay, left));
      try {
        return await this.#dial(true);
      } catch (error) {
        if (error instanceof StreamerError && !error.retryable) throw error;
        cause = error;
      }
    }
  }

  /** @param {number} ms */
  #sleep(ms) {
    const { setTimeout, clearTimeout } = this.#options.environment;
    const { promise, resolve } = deferred();
    const timer = setTimeout(resolve, ms);
    return abortable(promise, this.#closing.signal).finally(() => clearTimeout(timer));
  }

  /** @param {unknown} error null: it just broke */
  #lose(error) {
    this.#opening = this.#session = null;
    this.#decoder = new Decoder();
    this.#reports = [];
    this.#unsent = 0;
    const contexts = [...this.#contexts.values()];
    this.#contexts.clear();
    this.#gone.clear();
    for (const context of contexts) context.fail(error ?? lost("the connection was lost"));
    if (this.state !== "closed") this.#become("idle", error);
  }

  /** @param {Command} command that is sent now or not at all; a `report` can wait */
  #send(command) {
    const message = encode(command);
    if (this.state === "open") return this.#connection?.send(message);
    this.#unsent += message.length;
    if (command.type === "report" && this.state === "reconnecting") this.#reports.push(command);
  }

  /** @param {unknown} reason */
  #close(reason) {
    if (this.state === "closed") return;
    this.#become("closed", reason);
    this.#closing.abort(reason);
    this.#connection?.close();
    this.#lose(reason);
  }

  /** @param {types.ClientState} state @param {unknown} [error] */
  #become(state, error = null) {
    this.state = state;
    this.#announce("state", { state, error });
  }

  /** @param {string} type @param {object} detail */
  #announce(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
