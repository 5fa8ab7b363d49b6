import assert from "node:assert/strict";
import { test } from "node:test";
import { open } from "../src/decoders.js";

const started = (codec, format = {}) => ({ audio: { codec, container: "none", sample_rate: 48000, channels: 1, ...format } });
const nothing = () => {};

/** What comes out of a decoder for one packet. */
async function decoded(event, data, given, pts = 0) {
  const heard = [];
  const decoder = await open(event, 48000, given, (...sound) => heard.push(sound), nothing);
  decoder.decode({ pts, data, flags: 1 });
  await decoder.flush();
  decoder.close();
  return heard;
}

const refused = (event, fields, rate = 48000) => assert.rejects(open(event, rate, undefined, nothing, nothing), { name: "StreamerError", ...fields });

test("PCM of 16 bits, wherever in its buffer it begins", async () => {
  const data = Uint8Array.of(9, 0, 0x40, 0x00, 0x80, 0xff, 0x7f).subarray(1);
  assert.deepEqual(await decoded(started("pcm_s16le"), data, undefined, 960), [[960, Float32Array.of(0.5, -1, 32767 / 32768), 1]]);
});

test("PCM of floats", async () => {
  const data = new Uint8Array(9);
  new DataView(data.buffer).setFloat32(1, 0.25, true);
  new DataView(data.buffer).setFloat32(5, -0.75, true);
  assert.deepEqual(await decoded(started("pcm_f32le"), data.subarray(1)), [[0, Float32Array.of(0.25, -0.75), 1]]);
});

test("of two channels, which are the same, one is taken", async () => {
  const data = new Uint8Array(Int16Array.of(16384, 16384, -16384, -16384).buffer);
  assert.deepEqual(await decoded(started("pcm_s16le", { channels: 2 }), data), [[0, Float32Array.of(0.5, -0.5), 1]]);
});

test("PCM that ends within a sample is an error", async () => {
  await assert.rejects(decoded(started("pcm_s16le"), new Uint8Array(3)), { code: "decoding_failed" });
});

test("what can't be played is refused by what is at fault", async () => {
  await refused(started("mp3"), { code: "unsupported_parameter", param: "audio.codec" });
  await refused(started("opus", { container: "ogg" }), { code: "unsupported_parameter", param: "audio.container" });
  await refused(started("pcm_s16le", { sample_rate: 24000 }), { code: "unsupported_parameter", param: "audio.sample_rate" });
  await refused(started("opus"), { code: "unsupported_parameter", param: "audio.sample_rate" }, 44100);
});

test("without any decoder of Opus it is said what to do", async () => {
  await refused(started("opus"), { code: "not_available", message: /Player\.audio\(\)/ });
});

/** As opus-decoder's, which hands out the same memory again. */
const memory = new Float32Array(2);
class OpusDecoder {
  ready = Promise.resolve();
  static made = [];
  constructor(options) {
    OpusDecoder.made.push(options);
  }
  decodeFrame(data) {
    memory.fill(data[0] / 8);
    return { channelData: [memory], samplesDecoded: 2, errors: data[0] === 255 ? [{ message: "corrupted" }] : [] };
  }
  free() {}
}

test("opus-decoder: its module, what imports it, at 48 kHz with nothing trimmed", async () => {
  const event = started("opus", { sample_rate: 24000 });
  for (const given of [{ OpusDecoder }, Promise.resolve({ OpusDecoder }), async () => ({ OpusDecoder })]) {
    const [[at, samples]] = await decoded(event, Uint8Array.of(2), given, -156);
    memory.fill(0);
    assert.deepEqual([at, samples], [-312, Float32Array.of(0.25, 0.25)]);
  }
  assert.deepEqual(OpusDecoder.made[0], { sampleRate: 48000, channels: 1, streamCount: 1, coupledStreamCount: 0, channelMappingTable: [0], preSkip: 0 });
});

test("a packet that is no Opus is an error, and so is a module that was garbled", async () => {
  await assert.rejects(decoded(started("opus"), Uint8Array.of(255), { OpusDecoder }), { code: "decoding_failed", message: "corrupted" });
  class Garbled extends OpusDecoder {
    ready = Promise.reject(new Error("Decode failed crc32 validation"));
  }
  await assert.rejects(decoded(started("opus"), Uint8Array.of(1), { OpusDecoder: Garbled }), { code: "decoding_failed", message: /charset=utf-8/ });
});
