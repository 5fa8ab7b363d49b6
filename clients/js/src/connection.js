import { StreamerError, errorOfAnswer } from "./errors.js";
/** @import * as types from "../index.d.ts" */

/**
 * One socket: opened, heard, closed once. Knows nothing of what is said.
 * @typedef {object} Listener
 * @property {(message: string | ArrayBuffer) => void} message
 * @property {(code: number, reason: string, opened: boolean) => void} closed told once, last
 */

/** @returns {Promise<types.WebSocketClass>} the browser's; node has one since 22 */
export async function webSocketClass() {
  return globalThis.WebSocket ?? (await import("./node-websocket.js")).NodeWebSocket;
}

export class Connection {
  #open = true;
  #opened = false;
  #socket;
  #listener;

  /**
   * @param {types.WebSocketLike} socket
   * @param {Listener} listener
   */
  constructor(socket, listener) {
    this.#socket = socket;
    this.#listener = listener;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#opened = true;
    };
    socket.onmessage = ({ data }) => {
      if (this.#open) listener.message(data);
    };
    socket.onerror = () => {}; // a close follows
    socket.onclose = ({ code, reason }) => this.#over(code, reason);
  }

  /** @param {string} message */
  send(message) {
    if (this.#open) this.#socket.send(message);
  }

  /** Give it up; nothing is heard of it any more but its end. */
  close() {
    this.#socket.close(1000);
    this.#over(1000, "");
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #over(code, reason) {
    if (!this.#open) return;
    this.#open = false;
    this.#listener.closed(code, reason, this.#opened);
  }
}

/**
 * A browser does not tell why a handshake was refused; a plain GET of the same address does.
 * @param {types.Environment["fetch"]} fetch
 * @param {string} url
 * @param {string | undefined} key
 * @param {AbortSignal} signal
 * @returns {Promise<StreamerError>}
 */
export async function whyRefused(fetch, url, key, signal) {
  /** @type {unknown} */
  let cause;
  try {
    const headers = key ? { authorization: `Bearer ${key}` } : undefined;
    const answer = await fetch(url, { headers, signal, cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer" });
    const body = await answer.text();
    if (!answer.ok) return errorOfAnswer(answer.status, body);
  } catch (error) {
    cause = error;
  }
  return new StreamerError("connection_failed", `no WebSocket at ${url}`, { cause });
}
