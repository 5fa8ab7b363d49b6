/** @import { WebSocketClass, WebSocketLike } from "../index.d.ts" */

/** @returns {Promise<WebSocketClass>} node has one since 22 */
export const webSocketClass = async () => globalThis.WebSocket ?? (await import("./node-websocket.js")).NodeWebSocket;

/**
 * One socket.
 * @param {WebSocketLike} socket
 * @param {(message: string | ArrayBuffer) => void} hear
 * @param {(code: number, reason: string) => void} end told once, last
 */
export function connection(socket, hear, end) {
  let open = true;
  const over = (/** @type {{ code: number, reason: string }} */ { code, reason }) => {
    if (open) end(code, reason);
    open = false;
  };
  socket.binaryType = "arraybuffer";
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
