import { Offsets } from "./offsets.js";
import { pieces } from "./protocol.js";
/** @import * as types from "../index.d.ts" */
/** @import { Command, Entry } from "./types.js" */

/** What one context was told: the input, which offsets count in, and what may have to be said again. */
export class Said {
  #send;
  #text = "";
  #length = 0; // code points of what was pushed
  #half = ""; // of a pair of surrogates
  #cues = 0;
  #offsets = new Offsets();
  /** @type {Entry[]} */
  #log = [];

  /** @param {boolean} quoted its input is what segments quote @param {(command: Command) => void} send */
  constructor(quoted, send) {
    this.quoted = quoted;
    this.#send = send;
  }

  get text() {
    return this.#text + this.#half;
  }

  /** @type {types.Context["push"]} */
  push(text, options) {
    text = this.#half + text;
    const whole = text.replace(/[\uD800-\uDBFF]$/, "");
    this.#half = text.slice(whole.length);
    this.#say(whole, options);
  }

  /** @type {types.Context["cue"]} */
  cue({ id = `_${++this.#cues}`, text, ...cue }) {
    this.record({ type: "cue", id, text: whole(text), ...cue });
    return id;
  }

  end() {
    if (this.#half) this.#say(this.#half);
    this.#half = "";
    this.record({ type: "end" });
  }

  /** @param {Command} command */
  record(command, text = "") {
    const characters = Array.from(text).length;
    this.#log.push({ at: this.#length, characters, command });
    this.#length += characters;
    if (!this.quoted) this.#put(text);
    this.#send(command);
  }

  /** @param {number} [known] characters that the server has */
  again(known = 0) {
    for (const { at, characters, command } of this.#log) {
      const cut = known - at;
      if (cut <= 0) this.#send(command);
      else if (cut < characters) this.#send({ type: "text", text: Array.from(`${command.text}`).slice(cut).join(""), at: at + cut });
    }
  }

  /** Its offsets become indices of strings. If it tells of a cue the server has what was said before. @param {any} event */
  heard(event) {
    const { type, text, words, heard_words = words, offset, cue } = event;
    if (type === "segment" && this.quoted) this.#put(text, offset);
    for (const placed of [...(heard_words ?? []), ...(offset >= 0 ? [event] : [])]) {
      placed.codepoint = placed.offset;
      placed.offset = this.#offsets.toIndex(placed.offset);
    }
    const at = cue ? this.#log.findIndex(({ command }) => command.id === cue) : 0;
    if (at > 0) this.#log.splice(0, at);
  }

  forget() {
    this.#log = [];
  }

  /** @param {string} text @param {types.PushOptions} [options] */
  #say(text, options) {
    for (const piece of pieces(whole(text))) {
      this.record({ type: "text", text: piece, at: this.#length, ...options }, piece);
      options = undefined;
    }
  }

  /** More of the input. @param {string} text @param {number} [codepoint] */
  #put(text, codepoint = this.#offsets.length) {
    const at = this.#offsets.toIndex(codepoint);
    this.#offsets.add(text, codepoint);
    this.#text = this.#text.slice(0, at).padEnd(at) + text + this.#text.slice(at + text.length);
  }
}

/** @param {string} text halves of pairs are no characters */
const whole = (text) => text.replace(/\p{Surrogate}/gu, "\uFFFD");
