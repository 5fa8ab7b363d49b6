import { Connection, webSocketClass, whyRefused } from "./connection.js";
import { Context } from "./contexts.js";
import { StreamerError, errorOfClose } from "./errors.js";
import { Decoder, addresses, encode, subprotocols } from "./protocol.js";
import { abortable, deferred, quiet } from "./waiting.js";
/** @import * as types from "../index.d.ts" */
/** @import { Command, Event, Resumed } from "./protocol.js" */

const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 10_000;
const RESUME_S = 30;
/** Contexts that are over and named in `resume`, lest they be told again: more than a server remembers. */
const REMEMBERED = 64;

/** What the server says before it closes a socket that may come back all the same. */
const TRANSIENT = new Set(["stalled_reader", "internal_error"]);
const ENDS = new Set(["done", "interrupted", "error"]);
/** Close codes after which it makes no sense: we said what is no message, or the session is elsewhere. */
const FINAL = new Set([1002, 1007, 4000, 4003]);

/** @type {types.Environment} */
const ENVIRONMENT = {
  setTimeout: (run, ms) => setTimeout(run, ms),
  clearTimeout: (timer) => clearTimeout(timer),
  now: () => performance.now(),
  random: () => Math.random(),
  fetch: (...request) => fetch(...request),
};

/** @implements {types.StreamerClient} */
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
  /** @type {Map<string, Context>} those that are not over */
  #contexts = new Map();
  /** @type {Map<string, { sequence: number, ended: boolean }>} those that were: the server may remember them too */
  #gone = new Map();
  #count = 0;
  /** @type {Context | null} */
  #current = null;
  #decoder = new Decoder();
  /** @type {Connection | null} */
  #connection = null;
  /** @type {Promise<types.Ready> | null} while there is no connection but shall be */
  #opening = null;
  /** @type {{ session: string, token: string } | null} */
  #session = null;
  /** @type {Command[]} figures of contexts that are over, for the next socket */
  #reports = [];
  #closing = new AbortController();
  #link;
  #abort = () => {
    this.#close(this.#options.signal?.reason);
  };

  /**
   * @param {string | URL} url
   * @param {types.ClientOptions} [options]
   */
  constructor(url, options = {}) {
    super();
    const { key, resume = true, signal, WebSocket, bufferBytes = 8 << 20, openTimeout = 10_000, environment, ...defaults } = options;
    signal?.throwIfAborted();
    this.#places = addresses(url, resume);
    this.#options = { key: key ?? this.#places.key, signal, WebSocket, bufferBytes, openTimeout };
    this.#defaults = defaults;
    this.#environment = { ...ENVIRONMENT, ...environment };
    this.#link = {
      send: (/** @type {Command} */ command) => this.#send(command),
      forget: (/** @type {Context} */ context) => this.#forget(context),
    };
    signal?.addEventListener("abort", this.#abort);
  }

  /** @param {{ signal?: AbortSignal }} [options] */
  connect({ signal } = {}) {
    return quiet(abortable(this.#opening ?? this.#open(), signal));
  }

  /** @param {types.StartOptions} [options] */
  start(options = {}) {
    this.#closing.signal.throwIfAborted();
    options.signal?.throwIfAborted();
    const context = new Context(`c${++this.#count}`, { ...this.#defaults, ...options }, this.#link, this.#options.bufferBytes);
    this.#contexts.set(context.id, context);
    if (this.state === "open") this.#send(context.start);
    else this.connect();
    return context;
  }

  close() {
    return this.#close(new StreamerError("closed", "the client was closed"));
  }

  // The short form.

  get current() {
    return (this.#current ??= this.start());
  }

  /** @returns {Context} that still takes text */
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

  cancel() {
    return this.current.cancel();
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
    this.#become("connecting");
    return this.#until(this.#dial(false));
  }

  /**
   * There is a connection when this is fulfilled, and none is looked for any more when it is rejected.
   * @param {Promise<types.Ready>} work
   */
  #until(work) {
    this.#opening = quiet(work);
    work.catch((error) => this.#lose(error));
    return work;
  }

  /**
   * One socket, up to where it carries our contexts.
   * @param {boolean} resume
   * @returns {Promise<types.Ready>}
   */
  async #dial(resume) {
    const { key, WebSocket = await webSocketClass(), openTimeout } = this.#options;
    const { setTimeout, clearTimeout, fetch } = this.#environment;
    const secret = await (typeof key === "function" ? key() : key);
    const closing = this.#closing.signal;
    closing.throwIfAborted();
    const ending = new AbortController();
    const close = () => ending.abort(closing.reason);
    closing.addEventListener("abort", close);
    const timer = setTimeout(() => ending.abort(failed("no answer in time")), openTimeout);
    /** @type {import("./waiting.js").Deferred<types.Ready>} */
    const attached = deferred();
    let carrying = false;
    /** @type {types.Ready} */
    let ready;
    /** @type {unknown} what the server said before it closed */
    let fault = null;
    const attach = (/** @type {Resumed} */ resumed) => {
      carrying = true;
      this.#attach(connection, ready, resumed);
      attached.resolve(ready);
    };
    const connection = new Connection(new WebSocket(this.#places.socket, subprotocols(secret)), {
      message: (data) => {
        try {
          const event = this.#decoder.decode(data);
          if (event?.type === "error" && event.context === null) fault = event.error;
          else if (event?.type === "ready") {
            ready = event;
            if (resume) connection.send(encode(this.#resume()));
            else attach({ type: "resumed", session: "", contexts: {} });
          } else if (event?.type === "resumed") attach(event);
          else if (event) this.#tell(event);
        } catch (error) {
          fault = error;
          connection.close();
        }
      },
      closed: (code, reason, opened) => {
        if (carrying) this.#lost(fault, code, reason);
        else attached.reject(fault ?? (opened ? errorOfClose(code, reason) ?? failed("the server hung up") : null));
      },
    });
    ending.signal.addEventListener("abort", () => connection.close());
    try {
      return await attached.promise;
    } catch (error) {
      ending.signal.throwIfAborted();
      throw error ?? (await whyRefused(fetch, this.#places.http, secret, ending.signal));
    } finally {
      clearTimeout(timer);
      closing.removeEventListener("abort", close);
    }
  }

  #resume() {
    const known = [...this.#gone, ...this.#contexts].filter(([, { sequence }]) => sequence >= 0);
    const received = Object.fromEntries(known.map(([id, { sequence }]) => [id, sequence]));
    return { type: "resume", ...this.#session, received };
  }

  /**
   * @param {Connection} connection
   * @param {types.Ready} ready
   * @param {Resumed} resumed
   */
  #attach(connection, ready, { session, contexts }) {
    this.#connection = connection;
    this.#opening = null;
    this.ready = ready;
    if (session !== this.#session?.session) this.#session = { session: ready.session, token: ready.token };
    this.state = "open"; // from here on what contexts say is sent
    for (const context of [...this.#contexts.values()]) {
      const held = contexts[context.id];
      if (held?.recovered) context.replay(held.characters);
      else if (context.sequence < 0) context.replay();
      else {
        this.#decoder.forget(context.id);
        this.#contexts.delete(context.id);
        context.fail(new StreamerError("context_lost", "it could not be taken up again", { context: context.id }));
      }
    }
    const recovered = Object.entries(contexts).map(([id, { recovered }]) => /** @type {const} */ ([id, recovered]));
    for (const [context, held] of recovered) {
      if (held && !this.#contexts.has(context) && !this.#gone.get(context)?.ended) this.#send({ type: "cancel", context });
    }
    for (const report of this.#reports.splice(0)) this.#send(report);
    this.#become("open");
    if (session) this.#announce("recovered", { contexts: Object.fromEntries(recovered) });
  }

  /** @param {Exclude<Event, types.Ready | Resumed>} event */
  #tell(event) {
    const id = event.context ?? "";
    const context = this.#contexts.get(id);
    const known = context ?? this.#gone.get(id);
    if (!known || (event.type !== "error" && event.sequence <= known.sequence)) return;
    known.sequence = event.sequence;
    if (context) context.take(event);
    else this.#gone.set(id, { sequence: event.sequence, ended: ENDS.has(event.type) });
    if (context?.over && this.#contexts.delete(id)) this.#remember(context, true);
  }

  /**
   * @param {Context} context
   * @param {boolean} ended did the server say so?
   */
  #remember({ id, sequence }, ended) {
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
    // A proxy that goes away says 1001 as well, but not why.
    const error = fault ?? (code === 1001 && !reason ? null : errorOfClose(code, reason));
    const final = error ? !(error instanceof StreamerError && TRANSIENT.has(error.code)) : FINAL.has(code);
    if (final || !this.#session?.token) return this.#lose(error);
    this.#become("reconnecting");
    this.#announce("lost", { code, reason });
    this.#until(this.#reconnect());
  }

  /** @returns {Promise<types.Ready>} */
  async #reconnect() {
    const { now, random } = this.#environment;
    const until = now() + (this.ready?.limits.resume_s ?? RESUME_S) * 1000;
    for (let delay = FIRST_DELAY_MS; ; delay = Math.min(2 * delay, LONGEST_DELAY_MS)) {
      await this.#sleep(Math.min(random() * delay, Math.max(0, until - now())));
      try {
        return await this.#dial(true);
      } catch (error) {
        if (error instanceof StreamerError && !error.retryable) throw error;
        if (now() >= until) throw new StreamerError("context_lost", "the server was away for too long", { cause: error });
      }
    }
  }

  /** @param {number} ms */
  #sleep(ms) {
    const { setTimeout, clearTimeout } = this.#environment;
    /** @type {import("./waiting.js").Deferred<void>} */
    const over = deferred();
    const timer = setTimeout(over.resolve, ms);
    return abortable(over.promise, this.#closing.signal).finally(() => clearTimeout(timer));
  }

  /** @param {unknown} error that ends the connection, and no other follows; null: it just broke */
  #lose(error) {
    this.#opening = this.#session = null;
    this.#decoder = new Decoder();
    this.#gone.clear();
    this.#reports = [];
    this.#failAll(error ?? new StreamerError("context_lost", "the connection was lost"));
    if (this.state !== "closed") this.#become("idle", error);
  }

  /** @param {unknown} error */
  #failAll(error) {
    const contexts = [...this.#contexts.values()];
    this.#contexts.clear();
    for (const context of contexts) context.fail(error);
  }

  /** @param {Command} command that is sent now or not at all; a `report` can wait */
  #send(command) {
    if (this.state === "open") this.#connection?.send(encode(command));
    else if (command.type === "report" && this.state === "reconnecting") this.#reports.push(command);
  }

  /** @param {Context} context */
  #forget(context) {
    if (!this.#contexts.delete(context.id)) return;
    this.#remember(context, false);
    this.#send({ type: "cancel", context: context.id });
  }

  /** @param {unknown} reason */
  async #close(reason) {
    if (this.state === "closed") return;
    this.#become("closed", reason);
    this.#options.signal?.removeEventListener("abort", this.#abort);
    this.#closing.abort(reason);
    this.#connection?.close();
    this.#failAll(reason);
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

/** @param {string} message */
function failed(message) {
  return new StreamerError("connection_failed", message);
}
