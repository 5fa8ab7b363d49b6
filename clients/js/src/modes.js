// What a browser can play, and why it is not something better.
/** @import * as types from "../index.d.ts" */

export const RATE = 48000;

/** The format to be asked for. @param {types.PlayerOptions} options */
export function format({ context, wasm }) {
  const rate = context?.sampleRate ?? RATE;
  const opus = typeof AudioWorkletNode === "function" && rate === RATE && (typeof AudioDecoder === "function" || wasm);
  return opus ? { codec: "opus", sample_rate: RATE } : { codec: "pcm_s16le", sample_rate: rate };
}

/**
 * @param {AudioContext} context
 * @param {types.PlayerOptions} options
 * @returns {{ mode: types.PlayerMode, reason: string }}
 */
export function choose(context, options) {
  if (!context.audioWorklet) {
    const secure = "this browser has no AudioWorklet", insecure = "the page is not a secure context (https): no AudioWorklet, no WebCodecs";
    return { mode: "pcm-scheduled", reason: globalThis.isSecureContext ? secure : insecure };
  }
  if (format({ ...options, context }).codec !== "opus") {
    const better = "this browser has no WebCodecs, and no opus-decoder was given";
    return { mode: "pcm", reason: context.sampleRate === RATE ? better : `Opus needs an AudioContext of ${RATE} Hz` };
  }
  if (typeof AudioDecoder === "function") return { mode: "opus-webcodecs", reason: "" };
  return { mode: "opus-wasm", reason: "this browser has no WebCodecs" };
}
