// What was heard of a context that is done: who plays it knows how far, and its words are here. Not needed before it can speak.
/** @import * as types from "../index.d.ts" */
/** @import { Context } from "./contexts.js" */

/**
 * @param {Context} context
 * @param {types.Done} ending
 * @param {number} played_ms
 */
export function heard({ id: context, text, words, samples }, ending, played_ms) {
  const played = samples(played_ms);
  const all = played >= ending.samples;
  const heard_words = words.filter(({ end_ms }) => all || samples(end_ms) <= played);
  const last = heard_words.at(-1);
  let length = last ? last.offset + last.text.length : 0;
  if (last) length += /^[^\s\p{L}\p{N}]*/u.exec(text.slice(length))?.[0].length ?? 0; // marks stick to it
  if (all) length = text.length;
  const [heard_text, unspoken_text] = [text.slice(0, length), text.slice(length)];
  played_ms = Math.min(ending.audio_ms, played_ms);
  return { context, sequence: -1, heard_text, heard_words, unspoken_text, played_ms, clock: "client" };
}

/**
 * There is nothing to send: who plays it has the sound.
 * @param {Context} context
 * @param {types.Paused} paused
 * @returns {types.Continued}
 */
export function continued({ id: context, ending }, { heard_text, played_ms }) {
  const at_ms = ending?.type === "done" ? ending.audio_ms : played_ms;
  return { type: "continued", context, sequence: -1, at_ms, offset: heard_text.length, codepoint: Array.from(heard_text).length };
}
