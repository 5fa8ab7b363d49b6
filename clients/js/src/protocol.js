/** What is on the wire of `streamer.v1`, both ways. Knows no sockets. */

import { StreamerError, errorOf } from "./errors.js";
/** @import * as types from "../index.d.ts" */
/** @import { Offsets } from "./offsets.js" */

/**
 * @typedef {{ type: string, context?: string, [field: string]: unknown }} Command
 * @typedef {{ type: "error", context: string | null, sequence: number, error: StreamerError }} Failed
 * @typedef {{ type: "resumed", session: string, contexts: Record<string, { recovered: boolean, characters: number }> }} Resumed
 * @typedef {types.ContextEvent | types.Ready | Resumed | Failed} Event
 */

export const SUBPROTOCOL = "streamer.v1";
export const HEADER_BYTES = 20;
const AUDIO = 1;

/**
 * What is offered in a handshake; the server selects the first.
 * @param {string} [key]
 */
export function subprotocols(key) {
  if (!key) return [SUBPROTOCOL];
  const encoded = btoa(String.fromCharCode(...new TextEncoder().encode(key)));
  return [SUBPROTOCOL, "streamer.auth." + encoded.replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "")];
}

/**
 * Where the socket is, where to ask why it isn't, and the key in the fragment, if there is one.
 * @param {string | URL} url
 * @param {boolean} resume
 */
export function addresses(url, resume) {
  let place;
  try {
    place = new URL(url, globalThis.location?.href);
  } catch {}
  const scheme = place && /^(http|ws)(s?):$/.exec(place.protocol);
  if (!place || !scheme) {
    throw new StreamerError("invalid_parameter", "url is ws://, wss://, http:// or https:// and a host", { param: "url" });
  }
  const key = new URLSearchParams(place.hash.slice(1)).get("key") ?? undefined;
  place.hash = "";
  if (place.pathname === "/") place.pathname = "/v1/stream";
  if (resume) place.searchParams.set("resume", "1");
  place.protocol = "http" + scheme[2];
  const http = place.href;
  place.protocol = "ws" + scheme[2];
  return { socket: place.href, http, key };
}

/** @param {Command} command null and undefined are the same as nothing */
export function encode(command) {
  return JSON.stringify(command, (_, value) => value ?? undefined);
}

/** Messages of a connection to events. What belongs to no context that has started, and what is unknown, is null. */
export class Decoder {
  /** @type {Map<string, number>} contexts that have started, and their stream numbers */
  #streams = new Map();
  /** @type {Map<number, string>} */
  #contexts = new Map();

  /**
   * @param {string | ArrayBuffer} message
   * @returns {Event | null}
   */
  decode(message) {
    try {
      return typeof message === "string" ? this.#text(JSON.parse(message)) : this.#binary(message);
    } catch (cause) {
      throw new StreamerError("invalid_message", "the server sent what is no message of this protocol", { cause });
    }
  }

  /** @param {string} context that is no more */
  forget(context) {
    this.#contexts.delete(/** @type {number} */ (this.#streams.get(context)));
    this.#streams.delete(context);
  }

  /** @param {any} message */
  #text(message) {
    const { type, context } = message;
    switch (type) {
      case "error":
        if (typeof context === "string") this.forget(context);
        return { type, context: context ?? null, sequence: message.sequence, error: errorOf(message) };
      case "ready":
      case "resumed":
        return message;
      case "started":
        this.forget(context);
        this.#streams.set(context, message.stream);
        this.#contexts.set(message.stream, context);
        message.header = bytes(message.header);
        return message;
      case "done":
      case "interrupted":
        this.forget(context);
        return message;
      case "audio":
        if (this.#streams.has(context)) return { ...message, data: bytes(message.data) };
        return null;
      case "segment":
      case "words":
      case "mark":
      case "paused":
      case "continued":
        return this.#streams.has(context) ? message : null;
    }
    return null;
  }

  /**
   * @param {ArrayBuffer} message
   * @returns {types.Audio | null}
   */
  #binary(message) {
    const view = new DataView(message);
    if (view.getUint8(0) !== AUDIO) return null;
    const context = this.#contexts.get(view.getUint16(2));
    const packet = {
      type: /** @type {const} */ ("audio"),
      context: context ?? "",
      sequence: view.getUint32(4),
      pts: Number(view.getBigInt64(8)),
      duration: view.getUint32(16),
      flags: view.getUint8(1),
      data: new Uint8Array(message, HEADER_BYTES),
    };
    return context === undefined ? null : packet;
  }
}

/** @param {string} base64 */
function bytes(base64 = "") {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/**
 * Offsets of an event, in code points as it comes off the wire, become indices of strings.
 * @param {types.ContextEvent | StreamerError["details"]} event
 * @param {Offsets} offsets of the context's input
 */
export function localize(event, offsets) {
  const { words, heard_words, offset } = /** @type {any} */ (event);
  for (const placed of [...(words ?? heard_words ?? []), ...(offset === undefined ? [] : [event])]) {
    placed.codepoint = placed.offset;
    placed.offset = offsets.toIndex(placed.offset);
  }
}

/** The longest `text` sent at once: even if every unit is escaped it is far from any `max_message_bytes`. */
const LONGEST = 4096;

/**
 * A text in pieces short enough for a message, none of them ending within a pair of surrogates.
 * @param {string} text
 */
export function pieces(text) {
  const list = [];
  do {
    const end = /[\uD800-\uDBFF]/.test(text[LONGEST - 1] ?? "") ? LONGEST - 1 : LONGEST;
    list.push(text.slice(0, end));
    text = text.slice(end);
  } while (text);
  return list;
}
