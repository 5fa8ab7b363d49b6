import { StreamerError, errorOfAnswer } from "./errors.js";
/** @import { WebSocketClass, WebSocketLike } from "../index.d.ts" */

/** @typedef {ReturnType<typeof connection>} Connection */

/** @returns {Promise<WebSocketClass>} node has one since 22 */
export const webSocketClass = async () => globalThis.WebSocket ?? (await import("./node-websocket.js")).NodeWebSocket;

/**
 * One socket.
 * @param {WebSocketLike} socket
 * @param {(message: string | ArrayBuffer) => void} hear
 * @param {(code: number, reason: string, opened: boolean) => void} end told once, last
 */
export function connection(socket, hear, end) {
  let open = true;
  let opened = false;
  const over = (/** @type {{ code: number, reason: string }} */ { code, reason }) => {
    if (open) end(code, reason, opened);
    open = false;
  };
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    opened = true;
  };
  socket.onmessage = ({ data }) => open && hear(data);
  socket.onerror = () => {}; // a close follows
  socket.onclose = over;
  return {
    send: (/** @type {string} */ message) => open && socket.send(message),
    /** Give it up. */
    close() {
      socket.close(1000);
      over({ code: 1000, reason: "" });
    },
  };
}

/**
 * A browser does not tell why a handshake was refused; a plain GET of the same address does.
 * @param {typeof globalThis.fetch} fetch
 * @param {string} url
 * @param {string | undefined} key
 * @param {AbortSignal} signal
 */
export async function whyRefused(fetch, url, key, signal) {
  let cause;
  try {
    const headers = key ? { authorization: `Bearer ${key}` } : undefined;
    const answer = await fetch(url, { headers, signal, cache: "no-store", credentials: "omit" });
    if (!answer.ok) return errorOfAnswer(answer.status, await answer.text());
  } catch (error) {
    cause = error;
  }
  return new StreamerError("connection_failed", `no WebSocket at ${url}`, { cause });
}
