/** The wire of `streamer.v1`, both ways. */

import { StreamerError, errorOf } from "./errors.js";
/** @import { Audio } from "../index.d.ts" */
/** @import { Command, Event } from "./types.js" */

const HEADER_BYTES = 20;
const AUDIO = 1;

/** @param {string} [key] */
export function subprotocols(key = "") {
  if (/[^ -~]/.test(key)) throw new StreamerError("invalid_parameter", "a key is printable ASCII", { param: "key" });
  const offered = "streamer.auth." + btoa(key).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
  return key ? ["streamer.v1", offered] : ["streamer.v1"];
}

/**
 * Of the socket and of the same over HTTP; and the key in the fragment.
 * @param {string | URL} url
 * @param {boolean} resume
 */
export function addresses(url, resume) {
  let place;
  try {
    place = new URL(url, globalThis.location?.href);
  } catch {}
  if (!place || !/^(http|ws)s?:$/.test(place.protocol)) throw new StreamerError("invalid_parameter", "not a ws, wss, http or https URL", { param: "url" });
  const key = new URLSearchParams(place.hash.slice(1)).get("key") ?? undefined;
  place.hash = "";
  if (place.pathname === "/") place.pathname = "/v1/stream";
  if (resume) place.searchParams.set("resume", "1");
  const socket = place.href.replace(/^http/, "ws");
  return { socket, http: socket.replace(/^ws/, "http"), key };
}

/** @param {Command} command null is the same as nothing */
export function encode(command) {
  return JSON.stringify(command, (_, value) => value ?? undefined);
}

/** Of one connection. */
export class Decoder {
  /** @type {Map<number, string>} stream numbers of contexts that have started */
  #contexts = new Map();

  /**
   * @param {string | ArrayBuffer} message
   * @returns {Event | null} null: unknown, or of an unknown context
   */
  decode(message) {
    try {
      return typeof message === "string" ? this.#text(JSON.parse(message)) : this.#binary(new DataView(message));
    } catch (cause) {
      throw new StreamerError("invalid_message", "no message of this protocol", { cause });
    }
  }

  /** @param {string | null} context that is no more */
  forget(context) {
    for (const [stream, name] of this.#contexts) if (name === context) this.#contexts.delete(stream);
  }

  /** @param {any} message */
  #text({ type, context = null, ...message }) {
    const event = { type, context, ...message };
    switch (type) {
      case "ready":
      case "resumed":
        return { type, ...message };
      case "started":
        this.forget(context);
        this.#contexts.set(message.stream, context);
        return { ...event, header: bytes(message.header) };
      case "error":
        this.forget(context);
        return { type, context, sequence: message.sequence, error: errorOf(event) };
      case "done":
      case "interrupted":
        this.forget(context);
        return event;
      case "audio":
        event.data = bytes(message.data);
    }
    const known = /^(audio|segment|words|mark|paused|continued|late|skipped|caption)$/.test(type) && [...this.#contexts.values()].includes(context);
    return known ? event : null;
  }

  /** @param {DataView<ArrayBuffer>} view @returns {Audio | null} */
  #binary(view) {
    if (view.getUint8(0) !== AUDIO) return null;
    const context = this.#contexts.get(view.getUint16(2)) ?? "";
    const [flags, sequence, duration] = [view.getUint8(1), view.getUint32(4), view.getUint32(16)];
    const pts = Number(view.getBigInt64(8));
    return context ? { type: "audio", context, sequence, pts, duration, flags, data: new Uint8Array(view.buffer, HEADER_BYTES) } : null;
  }
}

/** @param {string} base64 */
const bytes = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));

/**
 * A text in pieces short enough for a message, cut between characters.
 * @param {string} text
 */
export function pieces(text) {
  return text.match(/[^]{1,4095}(?![\uDC00-\uDFFF])|[^]/g) ?? [text];
}
