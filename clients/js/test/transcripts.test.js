// The conversations that all clients replay: tests/protocols/transcripts/README.md says how.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { errorOfClose } from "../src/errors.js";
import { Decoder, encode } from "../src/protocol.js";

const PLACE = new URL("../../../tests/protocols/transcripts/", import.meta.url);

const onTheWire = (line) => {
  if (line.binary === undefined) return line.raw ?? JSON.stringify(line.message);
  const bytes = line.binary.replaceAll(" ", "").match(/../g).map((pair) => parseInt(pair, 16));
  return new Uint8Array(bytes).buffer;
};

/** What a server would have said to make this event. */
const asSaid = (event) => {
  if (event.type === "error") {
    const { code, message, param, retryable, details } = event.error;
    const place = event.context === null ? {} : { context: event.context, sequence: event.sequence };
    return { type: "error", ...place, code, message, param, retryable, ...details };
  }
  const base64 = (bytes) => Buffer.from(bytes).toString("base64");
  if (event.type === "started") return { ...event, header: base64(event.header) };
  return event.type === "audio" ? { ...event, data: base64(event.data) } : event;
};

const binaryAsSaid = ({ flags, sequence, pts, duration, data }, stream) => {
  const header = Buffer.alloc(20);
  header.writeUInt8(1, 0);
  header.writeUInt8(flags, 1);
  header.writeUInt16BE(stream, 2);
  header.writeUInt32BE(sequence, 4);
  header.writeBigInt64BE(BigInt(pts), 8);
  header.writeUInt32BE(duration, 16);
  return Buffer.concat([header, data]).toString("hex");
};

for (const name of readdirSync(PLACE).filter((file) => file.endsWith(".jsonl"))) {
  test(`replays ${name}`, () => {
    const decoder = new Decoder();
    const streams = {};
    const lines = readFileSync(new URL(name, PLACE), "utf8").trim().split("\n").map((line) => JSON.parse(line));
    for (const [index, line] of lines.entries()) {
      const where = `${name}:${index + 1}`;
      if (line.from === "client") {
        if (!line.refused) assert.deepEqual(JSON.parse(encode({ ...line.message, nothing: null, left: undefined })), line.message, where);
        continue;
      }
      if (line.close) {
        assert.equal(errorOfClose(line.close, line.reason)?.code, line.reason, where);
        continue;
      }
      const event = decoder.decode(onTheWire(line));
      assert.equal(event === null, line.ignored === true, where);
      if (event === null || line.newer) continue;
      if (event.type === "started") streams[event.context] = event.stream;
      if (line.binary) assert.equal(binaryAsSaid(event, streams[event.context]), line.binary.replaceAll(" ", ""), where);
      else assert.deepEqual(asSaid(event), line.message, where);
    }
  });
}
