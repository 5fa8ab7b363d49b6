// From packets to samples. A decoder is {decode(packet), flush(), close()}; it hands on (position, samples, packet's flags)
// in order, positions in samples at the context's rate, lead-in included (negative).
import { StreamerError } from "./errors.js";

export const OPUS_RATE = 48000; // whatever its header says, Opus decodes to this

/** @param {string} message @param {unknown} [cause] */
const failed = (message, cause) => new StreamerError("decoding_failed", message, { cause });

/** @param {any} format @param {number} rate */
function check(format, rate) {
  const opus = format.codec === "opus";
  if (!opus && format.codec !== "pcm_s16le" && format.codec !== "pcm_f32le") {
    throw new StreamerError("unsupported_parameter", `a player can't play ${format.codec}: start the context with audio: Player.audio()`, { param: "audio.codec" });
  }
  if (format.container !== "none") {
    throw new StreamerError("unsupported_parameter", "a player takes packets without a container", { param: "audio.container" });
  }
  const made = opus ? OPUS_RATE : format.sample_rate;
  if (made !== rate) {
    throw new StreamerError("unsupported_parameter", `the sound has ${made} Hz, the AudioContext ${rate} Hz`, { param: "audio.sample_rate" });
  }
}

const configuration = (/** @type {number} */ numberOfChannels) => ({ codec: "opus", sampleRate: OPUS_RATE, numberOfChannels });

/**
 * @param {any} started @param {number} rate of the AudioContext
 * @param {unknown} given the module `opus-decoder`, or what imports it
 * @param {(at: number, samples: Float32Array, flags: number) => void} sound
 * @param {(error: StreamerError) => void} fail
 */
export async function open(started, rate, given, sound, fail) {
  const format = started.audio;
  check(format, rate);
  if (format.codec !== "opus") return pcm(format, sound);
  if (typeof AudioDecoder === "function") {
    const { supported } = await AudioDecoder.isConfigSupported(configuration(format.channels));
    if (supported) return webcodecs(format, sound, fail);
  }
  return wasm(format, given, sound);
}

/** @param {any} format @param {Function} sound @param {(error: StreamerError) => void} fail */
function webcodecs(format, sound, fail) {
  // Without `description` nothing is trimmed: every packet gives all its samples, and positions are those of the packets.
  /** @type {number[]} */
  const flags = [];
  const decoder = new AudioDecoder({
    output(data) {
      const samples = new Float32Array(data.numberOfFrames);
      data.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
      sound(Math.round((data.timestamp * OPUS_RATE) / 1e6), samples, flags.shift() ?? 0);
      data.close();
    },
    error: (error) => fail(failed(error.message, error)),
  });
  decoder.configure(configuration(format.channels));
  return {
    mode: "opus-webcodecs",
    /** @param {any} packet */
    decode(packet) {
      flags.push(packet.flags);
      const timestamp = Math.round((packet.pts * 1e6) / format.sample_rate);
      decoder.decode(new EncodedAudioChunk({ type: "key", timestamp, data: packet.data }));
    },
    flush: () => (decoder.state === "configured" ? decoder.flush() : Promise.resolve()),
    close: () => decoder.state === "closed" || decoder.close(),
  };
}

/** @param {any} format @param {unknown} given @param {Function} sound */
async function wasm(format, given, sound) {
  const name = "opus-decoder";
  /** @type {any} */
  let module;
  try {
    module = given ?? import(/* webpackIgnore: true */ /* @vite-ignore */ name);
    if (typeof module === "function") module = module();
    module = await module;
  } catch (error) {
    throw new StreamerError("not_available", "this browser has no decoder for Opus: start the context with audio: Player.audio(), or give the player wasm: () => import(\"opus-decoder\")", { cause: error });
  }
  const decoder = new module.OpusDecoder({
    sampleRate: OPUS_RATE, channels: format.channels, streamCount: 1, coupledStreamCount: format.channels - 1,
    channelMappingTable: format.channels > 1 ? [0, 1] : [0], preSkip: 0,
  });
  try {
    await decoder.ready;
  } catch (error) {
    // Its WebAssembly is written as text: served in another charset than UTF-8 it is garbage.
    throw failed(`opus-decoder can't be used; it has to be served as charset=utf-8 (${error})`, error);
  }
  return {
    mode: "opus-wasm",
    /** @param {any} packet */
    decode({ pts, data, flags }) {
      const { channelData, errors } = decoder.decodeFrame(data);
      if (errors.length) throw failed(errors[0].message);
      sound(Math.round((pts * OPUS_RATE) / format.sample_rate), channelData[0].slice(), flags);
    },
    flush: () => Promise.resolve(),
    close: () => decoder.free(),
  };
}

/** @param {any} format @param {Function} sound */
function pcm(format, sound) {
  const size = format.codec === "pcm_s16le" ? 2 : 4;
  return {
    mode: "pcm",
    /** @param {any} packet */
    decode({ pts, data, flags }) {
      if (data.length % (size * format.channels)) throw failed("a packet of PCM ends within a sample");
      const view = new DataView(data.buffer, data.byteOffset, data.length);
      const samples = new Float32Array(data.length / size / format.channels);
      for (let i = 0; i < samples.length; i++) {
        const at = i * size * format.channels;
        samples[i] = size === 2 ? view.getInt16(at, true) / 32768 : view.getFloat32(at, true);
      }
      sound(pts, samples, flags);
    },
    flush: () => Promise.resolve(),
    close() {},
  };
}
