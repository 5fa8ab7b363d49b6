import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { test } from "node:test";
import { NodeWebSocket } from "../src/node-websocket.js";

/** A server that shakes hands and then does as it is told, byte by byte. */
async function served(speak, { protocol = "streamer.v1", status = 0, accept } = {}) {
  const server = createServer((_, response) => response.writeHead(426).end());
  server.on("upgrade", (request, socket) => {
    socket.on("error", () => {});
    if (status) return socket.end(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`);
    const right = createHash("sha1").update(request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n" +
        `sec-websocket-accept: ${accept ?? right}\r\n` + (protocol ? `sec-websocket-protocol: ${protocol}\r\n` : "") + "\r\n",
    );
    speak(socket, request);
  });
  const sockets = [];
  server.on("connection", (socket) => sockets.push(socket));
  const close = () => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  };
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { close, url: `ws://127.0.0.1:${server.address().port}/v1/stream` };
}

function frame(first, payload = "", length = Buffer.byteLength(payload)) {
  const header = length < 126 ? [length] : length < 65536 ? [126, length >> 8, length & 255] : [127, 0, 0, 0, 0, ...[24, 16, 8, 0].map((bits) => (length >>> bits) & 255)];
  return Buffer.concat([Buffer.from([first, ...header]), Buffer.from(payload)]);
}

function unmasked(data) {
  const length = data[1] & 127;
  const begin = length === 126 ? 4 : length === 127 ? 10 : 2;
  const mask = data.subarray(begin, begin + 4);
  return { first: data[0], masked: data[1] >> 7, payload: data.subarray(begin + 4).map((byte, at) => byte ^ mask[at & 3]) };
}

/** What the client makes of it, to its end. */
async function heard({ close, url }, opened = () => {}) {
  const messages = [];
  const socket = new NodeWebSocket(url, ["streamer.v1", "streamer.auth.a2V5"]);
  socket.onopen = () => opened(socket);
  socket.onmessage = ({ data }) => messages.push(typeof data === "string" ? data : [...new Uint8Array(data)]);
  const end = await new Promise((resolve) => (socket.onclose = resolve));
  await close();
  return { messages, ...end };
}

const CLOSE = frame(0x88, Buffer.from([0x0f, 0xa2, ...Buffer.from("idle_timeout")]));

test("messages are the same in whatever pieces they come", async () => {
  const long = "x".repeat(70_000);
  const bytes = Buffer.concat([
    frame(0x81, "whole"), frame(0x82, Buffer.from([1, 2, 255])), frame(0x01, "Gr\u00fc"), frame(0x89, "ping"),
    frame(0x00, Buffer.from([0xc3])), frame(0x80, Buffer.from([0x9f])), frame(0x81, long), frame(0x81, "y".repeat(300)), frame(0x81), CLOSE,
  ]);
  for (const size of [1 << 20, 4096, 3]) {
    const place = await served((socket) => {
      for (let at = 0; at < bytes.length; at += size) socket.write(bytes.subarray(at, at + size));
    });
    const { messages, code, reason } = await heard(place);
    assert.deepEqual(messages, ["whole", [1, 2, 255], "Grüß", long, "y".repeat(300), ""]);
    assert.deepEqual([code, reason], [4002, "idle_timeout"]);
  }
});

test("what is said is masked, pings are answered, and closing waits for the other side", async () => {
  const said = [];
  let offered;
  const place = await served((socket, request) => {
    offered = request.headers["sec-websocket-protocol"];
    socket.on("data", (data) => {
      said.push(unmasked(data));
      if (said.length === 1) socket.write(frame(0x89, "are you there"));
      if (said.length === 2) socket.write(frame(0x81, "close"));
      if (said.at(-1).first === 0x88) socket.end(frame(0x88, Buffer.from(said.at(-1).payload)));
    });
  });
  const { code } = await heard(place, (socket) => {
    socket.send("höre " + "x".repeat(200));
    const told = socket.onmessage;
    socket.onmessage = (event) => (told(event), socket.close(1000), socket.send("too late"));
  });
  assert.equal(offered, "streamer.v1, streamer.auth.a2V5");
  assert.deepEqual(said.map(({ first, masked }) => [first, masked]), [[0x81, 1], [0x8a, 1], [0x88, 1]]);
  assert.equal(Buffer.from(said[0].payload).toString(), "höre " + "x".repeat(200));
  assert.equal(Buffer.from(said[1].payload).toString(), "are you there");
  assert.equal(code, 1000);
});

test("a server that breaks the protocol is hung up on", async () => {
  const broken = {
    "reserved bits": [frame(0xc1, "x"), 1002], "a mask": [Buffer.from([0x81, 0x81, 1, 2, 3, 4, 5]), 1002],
    "a control frame in parts": [frame(0x09, "x"), 1002], "a long ping": [frame(0x89, "x".repeat(126)), 1002],
    "a rest of nothing": [frame(0x80, "x"), 1002], "a message within a message": [Buffer.concat([frame(0x01, "a"), frame(0x81, "b")]), 1002],
    "an unknown opcode": [frame(0x83, "x"), 1002], "bad UTF-8": [frame(0x81, Buffer.from([0xff])), 1007],
    "far too much": [frame(0x82, "", 1 << 30), 1009],
  };
  for (const [what, [bytes, expected]] of Object.entries(broken)) {
    const { code, messages } = await heard(await served((socket) => socket.write(bytes)));
    assert.deepEqual([code, messages], [expected, []], what);
  }
});

test("no handshake, no connection", async () => {
  const nothing = () => {};
  for (const how of [{ status: 401 }, { status: 200 }, { accept: "wrong" }, { protocol: "other" }, { protocol: "" }]) {
    assert.equal((await heard(await served(nothing, how))).code, 1006);
  }
  const gone = await served(nothing);
  await gone.close();
  assert.equal((await heard(gone)).code, 1006);
});

test("a connection that breaks says so, also before it is one", async () => {
  assert.equal((await heard(await served((socket) => socket.destroy()))).code, 1006);
  const place = await served(() => {});
  const socket = new NodeWebSocket(place.url, ["streamer.v1"]);
  const ended = new Promise((resolve) => (socket.onclose = resolve));
  socket.close();
  assert.equal((await ended).code, 1006);
  await place.close();
});
