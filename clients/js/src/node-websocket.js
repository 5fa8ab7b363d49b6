/** A WebSocket client (RFC 6455) for node 20, which has none: as much of the browser's class as is used here. */

import { createHash, randomBytes } from "node:crypto";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
/** @import { Socket } from "node:net" */

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
const MAX_BYTES = 16 << 20; // far over any packet: against a server that is not what it seems
const CLOSE_MS = 2000;

export class NodeWebSocket {
  binaryType = "arraybuffer";
  /** @type {((event: object) => void) | null} */
  onopen = null;
  /** @type {((event: { data: string | ArrayBuffer }) => void) | null} */
  onmessage = null;
  /** @type {((event: { code: number, reason: string }) => void) | null} */
  onclose = null;
  /** @type {((event: object) => void) | null} */
  onerror = null;

  /** @type {Socket | null} */
  #socket = null;
  #request;
  /** @type {Buffer} */
  #unread = Buffer.alloc(0);
  /** @type {{ opcode: number, parts: Buffer[], bytes: number } | null} a message that comes in parts */
  #partial = null;
  #closing = false;
  #closed = false;
  #ending = { code: 1006, reason: "" };

  /**
   * @param {string | URL} url
   * @param {string[]} protocols
   */
  constructor(url, protocols = []) {
    const place = new URL(url);
    const secure = place.protocol === "wss:";
    place.protocol = secure ? "https:" : "http:";
    const key = randomBytes(16).toString("base64");
    /** @type {Record<string, string>} */
    const headers = { Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key };
    if (protocols.length) headers["Sec-WebSocket-Protocol"] = protocols.join(", ");
    this.#request = (secure ? httpsRequest : httpRequest)(place, { headers, agent: false });
    this.#request.on("error", () => this.#over());
    this.#request.on("response", () => this.#fail());
    this.#request.on("upgrade", (answer, socket, head) => {
      this.#socket = /** @type {Socket} */ (socket);
      this.#socket.setNoDelay(true);
      socket.on("error", () => {});
      socket.on("close", () => this.#over());
      const accept = createHash("sha1").update(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
      const protocol = answer.headers["sec-websocket-protocol"];
      const known = protocol === undefined ? !protocols.length : protocols.includes(protocol);
      if (answer.headers["sec-websocket-accept"] !== accept || !known) return this.#fail();
      this.onopen?.({});
      socket.on("data", (data) => this.#receive(data));
      if (head.length) this.#receive(head);
    });
    this.#request.end();
  }

  /** @param {string} message */
  send(message) {
    if (!this.#closing) this.#frame(TEXT, Buffer.from(message));
  }

  close(code = 1000, reason = "") {
    if (this.#closing) return;
    if (!this.#socket) return this.#fail();
    this.#closing = true;
    this.#frame(CLOSE, Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)]));
    setTimeout(() => this.#socket?.destroy(), CLOSE_MS).unref();
  }

  /** @param {Buffer} data */
  #receive(data) {
    this.#unread = this.#unread.length ? Buffer.concat([this.#unread, data]) : data;
    while (!this.#closed && this.#next());
  }

  /** Takes a frame, if all of it is there. */
  #next() {
    const data = this.#unread;
    if (data.length < 2) return false;
    const [first, second] = data;
    let length = second & 127;
    const begin = length === 126 ? 4 : length === 127 ? 10 : 2;
    if (data.length < begin) return false;
    if (begin === 4) length = data.readUInt16BE(2);
    if (begin === 10) length = Number(data.readBigUInt64BE(2));
    const opcode = first & 15;
    const last = (first & 128) !== 0;
    const control = opcode >= CLOSE;
    // No extension was asked for; servers don't mask; control frames are short and whole.
    if (first & 112 || second & 128 || (control && (!last || length > 125))) return this.#refuse(1002);
    if (length + (this.#partial?.bytes ?? 0) > MAX_BYTES) return this.#refuse(1009);
    if (data.length < begin + length) return false;
    this.#unread = data.subarray(begin + length);
    const payload = data.subarray(begin, begin + length);
    if (control) return this.#control(opcode, payload);
    if ((opcode === 0) !== (this.#partial !== null) || opcode > BINARY) return this.#refuse(1002);
    const partial = (this.#partial ??= { opcode, parts: [], bytes: 0 });
    partial.parts.push(payload);
    partial.bytes += length;
    if (!last) return true;
    this.#partial = null;
    return this.#message(partial.opcode, partial.parts.length === 1 ? payload : Buffer.concat(partial.parts));
  }

  /**
   * @param {number} opcode
   * @param {Buffer} payload
   */
  #message(opcode, payload) {
    /** @type {string | ArrayBuffer} */
    let data = new Uint8Array(payload).buffer;
    if (opcode === TEXT) {
      try {
        data = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
      } catch {
        return this.#refuse(1007);
      }
    }
    if (!this.#closing) this.onmessage?.({ data });
    return true;
  }

  /**
   * @param {number} opcode
   * @param {Buffer} payload
   */
  #control(opcode, payload) {
    if (opcode === PING) this.#frame(PONG, payload);
    if (opcode !== CLOSE) return true;
    if (payload.length >= 2) this.#ending = { code: payload.readUInt16BE(0), reason: payload.toString("utf-8", 2) };
    else this.#ending = { code: 1005, reason: "" };
    if (!this.#closing) this.#frame(CLOSE, payload.subarray(0, 2));
    this.#closing = true;
    this.#socket?.end();
    this.#over();
    return false;
  }

  /** @param {number} code why the server is not listened to any more */
  #refuse(code) {
    this.close(code);
    this.#ending = { code, reason: "" };
    this.#fail();
    return false;
  }

  /**
   * @param {number} opcode
   * @param {Buffer} payload
   */
  #frame(opcode, payload) {
    const length = payload.length;
    const header = Buffer.alloc(length < 126 ? 2 : length < 65536 ? 4 : 10);
    header[0] = 128 | opcode;
    header[1] = 128 | (length < 126 ? length : length < 65536 ? 126 : 127);
    if (header.length === 4) header.writeUInt16BE(length, 2);
    if (header.length === 10) header.writeBigUInt64BE(BigInt(length), 2);
    const mask = randomBytes(4);
    const masked = Buffer.from(payload);
    for (let at = 0; at < length; at++) masked[at] ^= mask[at & 3];
    this.#socket?.write(Buffer.concat([header, mask, masked]));
  }

  #fail() {
    this.#request.destroy();
    this.#socket?.destroySoon();
    this.#over();
  }

  #over() {
    if (this.#closed) return;
    this.#closed = true;
    this.#closing = true;
    // As in a browser: never from within a call of the owner's.
    queueMicrotask(() => {
      this.onerror?.({});
      this.onclose?.(this.#ending);
    });
  }
}
