import assert from "node:assert/strict";
import { test } from "node:test";
import { StreamerError, errorOfAnswer, errorOfClose } from "../src/errors.js";
import { Decoder, addresses, pieces, subprotocols } from "../src/protocol.js";

test("a key is offered as a subprotocol in base64url", () => {
  assert.deepEqual(subprotocols(), ["streamer.v1"]);
  const [, offered] = subprotocols("sk-streamer-a?>~~~");
  const encoded = offered.replace("streamer.auth.", "");
  assert.match(encoded, /^[\w-]+$/);
  assert.equal(Buffer.from(encoded, "base64url").toString(), "sk-streamer-a?>~~~");
});

test("any form of the address is understood, and the key in its fragment stays here", () => {
  const of = (url, resume = true) => addresses(url, resume);
  assert.deepEqual(of("ws://a:1"), { socket: "ws://a:1/v1/stream?resume=1", http: "http://a:1/v1/stream?resume=1", key: undefined });
  assert.deepEqual(of("https://a/", false), { socket: "wss://a/v1/stream", http: "https://a/v1/stream", key: undefined });
  assert.equal(of("wss://a/native/v1/stream").socket, "wss://a/native/v1/stream?resume=1");
  assert.deepEqual(of(new URL("http://a/#key=k%2Fy"), false), { socket: "ws://a/v1/stream", http: "http://a/v1/stream", key: "k/y" });
  for (const bad of ["ftp://a", "nonsense", "localhost:8090", ""]) {
    assert.throws(() => of(bad), { code: "invalid_parameter", param: "url" });
  }
});

test("a position beyond 32 bits is a number all the same", () => {
  const decoder = new Decoder();
  decoder.decode(JSON.stringify({ type: "started", context: "a", sequence: 0, stream: 7, audio: {}, header: "" }));
  const message = Buffer.from("0105000700000009" + "0000000123456789" + "000003c0" + "aabb", "hex");
  const event = decoder.decode(new Uint8Array(message).buffer);
  assert.deepEqual({ ...event, data: [...event.data] }, {
    type: "audio", context: "a", sequence: 9, pts: 0x123456789, duration: 960, flags: 5, data: [0xaa, 0xbb],
  });
});

test("what no server says is refused, what a newer one says is not", () => {
  const decoder = new Decoder();
  for (const bad of ["", "{", "null", "\u0000", new ArrayBuffer(0), new Uint8Array([1, 0, 0, 1]).buffer]) {
    assert.throws(() => decoder.decode(bad), { code: "invalid_message" });
  }
  for (const other of ["[]", "7", '{"type":"weather"}', '{"type":"words","context":"gone"}', new Uint8Array([9]).buffer]) {
    assert.equal(decoder.decode(other), null);
  }
});

test("errors tell what they know", () => {
  const wire = { type: "error", context: "a", sequence: 3, code: "unknown_voice", message: "no", param: "voice", retryable: false, candidates: ["b"] };
  const { error } = new Decoder().decode(JSON.stringify(wire));
  assert.ok(error instanceof StreamerError && error instanceof Error);
  assert.deepEqual(
    [error.code, error.message, error.param, error.retryable, error.context, error.details],
    ["unknown_voice", "no", "voice", false, "a", { candidates: ["b"] }],
  );
  const answer = errorOfAnswer(429, JSON.stringify({ error: { code: "rate_limited", message: "wait", param: null, retryable: true, request_id: "r", retry_after_s: 2 } }));
  assert.deepEqual([answer.code, answer.retryable, answer.requestId, answer.details], ["rate_limited", true, "r", { retry_after_s: 2 }]);
  const proxys = [404, 429, 502].map((status) => errorOfAnswer(status, "<html>"));
  assert.deepEqual(proxys.map(({ code, retryable }) => [code, retryable]), [["connection_failed", false], ["connection_failed", true], ["connection_failed", true]]);
});

test("close codes mean what the server means by them", () => {
  const code = (...close) => errorOfClose(...close)?.code ?? null;
  assert.equal(code(1008, "key_revoked"), "key_revoked");
  assert.equal(code(1013, "connection_limit"), "connection_limit");
  assert.equal(code(1001, "draining"), "draining");
  assert.equal(code(1001, ""), null, "a proxy goes away");
  assert.equal(code(1009, ""), "message_limit");
  assert.equal(code(1006, ""), null);
  assert.equal(code(1012, "Service Restart"), null);
  assert.equal(errorOfClose(1008, "budget_spent").retryable, false);
});

test("long texts go in pieces that hold whole characters", () => {
  const text = "x" + "😀".repeat(10_000);
  const list = pieces(text);
  assert.equal(list.join(""), text);
  assert.ok(list.length > 4 && list.every((piece) => piece.length <= 4096 && !/[\uD800-\uDBFF]$/.test(piece)));
  assert.deepEqual(pieces(""), [""]);
});
