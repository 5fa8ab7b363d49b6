import { connection, webSocketClass } from "./connection.js";
import { Context } from "./contexts.js";
import { StreamerError, errorOfAnswer, errorOfClose } from "./errors.js";
import { Decoder, addresses, encode, subprotocols } from "./protocol.js";
import { abortable, deferred, quiet } from "./waiting.js";
/** @import * as types from "../index.d.ts" */
/** @import { Command, Connection, Deferred, Event, Resumed } from "./types.js" */

const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 10_000;
const RESUME_S = 30;
const REMEMBERED = 64; // contexts that are over: more than a server does

/** Close codes of a session that does not go on, or does so elsewhere. */
const FINAL = [1002, 1007, 4000, 4002, 4003];

/** @type {types.Environment} */
const ENVIRONMENT = { setTimeout, clearTimeout, fetch, now: () => performance.now(), random: Math.random };

/** @param {string} message @param {types.ErrorFields} [fields] */
const failed = (message, fields) => new StreamerError("connection_failed", message, { retryable: true, ...fields });

/** @param {string} message @param {types.ErrorFields} [fields] */
const lost = (message, fields) => new StreamerError("context_lost", message, { retryable: true, ...fields });

export class StreamerClient extends EventTarget {
  /** @type {types.ClientState} */
  state = "idle";
  /** @type {types.Ready | null} */
  ready = null;

  #places;
  #options;
  #defaults;
  /** @type {types.Environment} */
  #environment;
  /** @type {Map<string, Context>} */
  #contexts = new Map();
  /** @type {Map<string, { sequence: number, ended: boolean }>} over here; `ended`: there too. `resume` names them */
  #gone = new Map();
  #count = 0;
  /** @type {Context | null} */
  #current = null;
  #decoder = new Decoder();
  /** @type {Connection | null} */
  #connection = null;
  /** @type {Promise<types.Ready> | null} */
  #opening = null;
  /** @type {{ session: string, token: string } | null} */
  #session = null;
  /** @type {Command[]} for the next socket */
  #reports = [];
  #closing = new AbortController();
  #abort = () => this.#close(this.#options.signal?.reason);

  /**
   * @param {string | URL} url
   * @param {types.ClientOptions} [options]
   */
  constructor(url, { key, resume = true, signal, WebSocket, bufferBytes = 8 << 20, openTimeout = 10_000, environment, ...defaults } = {}) {
    super();
    signal?.throwIfAborted();
    this.#places = addresses(url, resume);
    this.#options = { key: key ?? this.#places.key, signal, WebSocket, bufferBytes, openTimeout };
    this.#defaults = defaults;
    this.#environment = { ...ENVIRONMENT, ...environment };
    signal?.addEventListener("abort", this.#abort);
  }

  /** @param {{ signal?: AbortSignal }} [options] */
  connect({ signal } = {}) {
    return quiet(abortable(this.#opening ?? this.#open(), signal));
  }

  /** @param {types.StartOptions} [options] */
  start(options) {
    return this.#begin({ ...this.#defaults, ...options });
  }

  /**
   * @param {string} channel
   * @param {types.SubscribeOptions} [options]
   */
  subscribe(channel, options) {
    const { audio, timestamps, captions } = this.#defaults;
    return this.#begin({ audio, timestamps, captions, ...options, type: "subscribe", channel });
  }

  /** @param {types.StartOptions & { type?: string }} options */
  #begin(options) {
    this.#closing.signal.throwIfAborted();
    options.signal?.throwIfAborted();
    const link = {
      send: (/** @type {Command} */ command) => this.#send(command),
      forget: (/** @type {Context} */ context) => {
        this.#over(context, false);
        this.#send({ type: "cancel", context: context.id });
      },
    };
    const context = new Context(`c${++this.#count}`, options, link, this.#options.bufferBytes);
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

  /**
   * @param {string} text
   * @param {types.PushOptions} [options]
   */
  push(text, options) {
    this.#writable.push(text, options);
  }

  flush() {
    this.#writable.flush();
  }

  end() {
    this.#writable.end();
  }

  /** @param {types.StopOptions} [options] */
  interrupt(options) {
    return this.current.interrupt(options);
  }

  /** @param {types.StopOptions} [options] */
  pause(options) {
    return this.current.pause(options);
  }

  /** @param {{ signal?: AbortSignal }} [options] */
  continue(options) {
    return this.current.continue(options);
  }

  /** @param {{ signal?: AbortSignal }} [options] */
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
    if (this.state === "open" && this.ready) return Promise.resolve(this.ready);
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

  /**
   * A socket, up to where it carries our contexts.
   * @param {boolean} resume
   */
  async #dial(resume) {
    const { key, WebSocket = await webSocketClass(), openTimeout } = this.#options;
    const { setTimeout, clearTimeout } = this.#environment;
    const closing = this.#closing.signal;
    const secret = await abortable(Promise.resolve(typeof key === "function" ? key() : key), closing);
    const ending = new AbortController();
    const close = () => ending.abort(closing.reason);
    /** @type {Deferred<types.Ready>} */
    const attached = deferred();
    let carrying = false;
    /** @type {types.Ready} */
    let ready;
    /** @type {unknown} */
    let fault = null;
    const attach = (/** @type {Omit<Resumed, "type">} */ resumed) => {
      carrying = true;
      this.#attach(socket, ready, resumed);
      attached.resolve(ready);
    };
    const hear = (/** @type {string | ArrayBuffer} */ data) => {
      try {
        const event = this.#decoder.decode(data);
        if (event?.type === "ready") {
          ready = event;
          if (resume) socket.send(encode(this.#resume()));
          else attach({ session: "", contexts: {} });
        } else if (event?.type === "resumed") attach(event);
        else if (event?.type === "error" && event.context === null) fault = event.error;
        else if (event) this.#tell(event);
      } catch (error) {
        fault = error;
        socket.close();
      }
    };
    const socket = connection(new WebSocket(this.#places.socket, subprotocols(secret)), hear, (code, reason) => {
      if (carrying) this.#lost(fault, code, reason);
      else attached.reject(fault ?? errorOfClose(code, reason));
    });
    closing.addEventListener("abort", close);
    const timer = setTimeout(() => ending.abort(failed("no answer in time")), openTimeout);
    ending.signal.addEventListener("abort", socket.close);
    try {
      return await attached.promise;
    } catch (error) {
      ending.signal.throwIfAborted();
      throw error ?? (await this.#whyRefused(secret, ending.signal));
    } finally {
      clearTimeout(timer);
      closing.removeEventListener("abort", close);
    }
  }

  /**
   * Browsers hide why a handshake was refused; a GET of the same address tells.
   * @param {string | undefined} key
   * @param {AbortSignal} signal
   */
  async #whyRefused(key, signal) {
    const { fetch } = this.#environment;
    const headers = key ? { authorization: `Bearer ${key}` } : undefined;
    try {
      const answer = await fetch(this.#places.http, { headers, signal, cache: "no-store" });
      if (!answer.ok) return errorOfAnswer(answer.status, await answer.text());
    } catch (cause) {
      return failed("the server can't be reached", { cause });
    }
    return failed("no WebSocket here");
  }

  #resume() {
    const known = [...this.#gone, ...this.#contexts].filter(([, { sequence }]) => sequence >= 0);
    return { type: "resume", ...this.#session, received: Object.fromEntries(known.map(([id, { sequence }]) => [id, sequence])) };
  }

  /**
   * @param {Connection} socket
   * @param {types.Ready} ready
   * @param {Omit<Resumed, "type">} resumed
   */
  #attach(socket, ready, { session, contexts }) {
    this.#connection = socket;
    this.#opening = null;
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
  }

  /** @param {Exclude<Event, types.Ready | Resumed>} event */
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

  /**
   * @param {unknown} fault
   * @param {number} code
   * @param {string} reason
   */
  #lost(fault, code, reason) {
    this.#connection = null;
    if (this.state === "closed") return;
    const error = fault ?? errorOfClose(code, reason);
    const final = error instanceof StreamerError ? !/^(stalled_reader|internal_error)$/.test(error.code) : error || FINAL.includes(code);
    if (final || !this.#session?.token) return this.#lose(error);
    this.#until(this.#reconnect());
    this.#become("reconnecting");
    this.#announce("lost", { code, reason });
  }

  async #reconnect() {
    const { now, random } = this.#environment;
    const until = now() + (this.ready?.limits.resume_s ?? RESUME_S) * 1000;
    for (let delay = FIRST_DELAY_MS; ; delay = Math.min(2 * delay, LONGEST_DELAY_MS)) {
      await this.#sleep(Math.min(random() * delay, Math.max(0, until - now())));
      try {
        return await this.#dial(true);
      } catch (cause) {
        if (cause instanceof StreamerError && !cause.retryable) throw cause;
        if (now() >= until) throw lost("it took too long", { cause });
      }
    }
  }

  /** @param {number} ms */
  #sleep(ms) {
    const { setTimeout, clearTimeout } = this.#environment;
    const { promise, resolve } = deferred();
    const timer = setTimeout(resolve, ms);
    return abortable(promise, this.#closing.signal).finally(() => clearTimeout(timer));
  }

  /** @param {unknown} error null: it just broke */
  #lose(error) {
    this.#opening = this.#session = null;
    this.#decoder = new Decoder();
    this.#reports = [];
    const contexts = [...this.#contexts.values()];
    this.#contexts.clear();
    this.#gone.clear();
    for (const context of contexts) context.fail(error ?? lost("the connection was lost"));
    if (this.state !== "closed") this.#become("idle", error);
  }

  /** @param {Command} command that is sent now or not at all; a `report` can wait */
  #send(command) {
    if (this.state === "open") this.#connection?.send(encode(command));
    else if (command.type === "report" && this.state === "reconnecting") this.#reports.push(command);
  }

  /** @param {unknown} reason */
  #close(reason) {
    if (this.state === "closed") return;
    this.#become("closed", reason);
    this.#options.signal?.removeEventListener("abort", this.#abort);
    this.#closing.abort(reason);
    this.#connection?.close();
    this.#lose(reason);
  }

  /**
   * @param {types.ClientState} state
   * @param {unknown} [error]
   */
  #become(state, error = null) {
    this.state = state;
    this.#announce("state", { state, error });
  }

  /**
   * @param {string} type
   * @param {object} detail
   */
  #announce(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
