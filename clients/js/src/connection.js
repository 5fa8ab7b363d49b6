import { StreamerError, errorOfAnswer, errorOfClose } from "./errors.js";
import { subprotocols } from "./protocol.js";
import { abortable, deferred } from "./waiting.js";
/** @import * as types from "./types.js" */

/** @param {string} message @param {unknown} [cause] */
const failed = (message, cause) => new StreamerError("connection_failed", message, { retryable: true, cause });

/** @type {types.Dial} */
export async function dial({ socket: address, http, key, WebSocket, openTimeout, closing, environment }, decode, take, lost) {
  const { setTimeout, clearTimeout, fetch } = environment;
  const secret = await abortable(Promise.resolve(typeof key === "function" ? key() : key), closing);
  WebSocket ??= globalThis.WebSocket ?? (await import("./node-websocket.js")).NodeWebSocket; // node has one since 22
  const attached = deferred();
  const asking = new AbortController();
  /** @type {unknown} the greeting, once it carries them */
  let carrying;
  /** @type {unknown} */
  let fault = null;
  const socket = open(WebSocket, address, subprotocols(secret));
  const close = () => {
    socket.close(1000);
    socket.onclose?.({ code: 1000, reason: "" });
  };
  socket.binaryType = "arraybuffer";
  socket.onerror = () => {}; // a close follows
  socket.onclose = ({ code, reason }) => {
    socket.onclose = socket.onmessage = null;
    fault ??= errorOfClose(code, reason);
    if (carrying) lost(fault, code, reason);
    else if (fault) attached.reject(fault);
    else whyRefused(fetch, http, secret, asking.signal).then(attached.reject);
  };
  socket.onmessage = ({ data }) => {
    try {
      const event = decode(data);
      if (event?.type === "error" && event.context === null) fault = event.error;
      else if (event && (carrying = take(event, { send: (message) => socket.send(message), close }) ?? carrying)) attached.resolve(carrying);
    } catch (error) {
      fault = error;
      close();
    }
  };
  const timer = setTimeout(() => attached.reject(failed("no answer in time")), openTimeout);
  try {
    return await abortable(attached.promise, closing);
  } catch (error) {
    fault ??= error;
    close();
    throw error;
  } finally {
    clearTimeout(timer);
    asking.abort();
  }
}

/** @type {types.Open} */
function open(WebSocket, url, protocols) {
  try {
    return new WebSocket(url, protocols);
  } catch (cause) {
    throw new StreamerError("invalid_parameter", "no WebSocket to this URL", { param: "url", cause });
  }
}

/** @type {types.WhyRefused} */
async function whyRefused(fetch, url, key, signal) {
  const headers = key ? { authorization: `Bearer ${key}` } : undefined;
  try {
    const answer = await fetch(url, { headers, signal, cache: "no-store" });
    if (!answer.ok) return errorOfAnswer(answer.status, await answer.text());
  } catch (cause) {
    return failed("the server can't be reached", cause);
  }
  return failed("no WebSocket here");
}
