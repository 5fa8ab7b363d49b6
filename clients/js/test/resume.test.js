import assert from "node:assert/strict";
import { test } from "node:test";
import { StreamerClient } from "../src/streamer.js";
import { FOREVER, ScriptedServer, StandingTime, all, chance, quickTime, settled } from "./scripted.js";

const clientOf = (server, options) =>
  new StreamerClient("ws://scripted", { WebSocket: server.WebSocket, environment: quickTime(), openTimeout: FOREVER, ...options });
const types = (messages) => messages.map(({ type }) => type);
const spoken = (events) => Buffer.concat(events.filter(({ type }) => type === "audio").map(({ data }) => data)).toString();
const offline = async () => {
  throw new TypeError("fetch failed");
};

/** Nothing is left to time but the text itself. */
async function speak(client, text, random) {
  const context = client.start();
  const reading = all(context);
  for (let at = 0; at < text.length; ) {
    const length = 1 + Math.floor(random() * 6);
    context.push(text.slice(at, at + length));
    if (random() < 0.1) context.flush();
    if (random() < 0.5) await new Promise(setImmediate);
    at += length;
  }
  context.end();
  return reading;
}

test("two hundred drops at random messages, either way, change nothing of what is heard", async () => {
  const text = "All of it is heard once, 😀 in order: höre, 漢字 and the rest. ".repeat(40);
  const uncut = clientOf(new ScriptedServer());
  const expected = await speak(uncut, text, chance(0));
  uncut.close();
  assert.equal(spoken(expected), text);

  let drops = 0;
  for (let round = 0; drops < 200; round++) {
    const random = chance(round + 1);
    const server = new ScriptedServer();
    server.cut(() => Math.floor(random() * 80));
    const client = clientOf(server);
    assert.deepEqual(await speak(client, text, random), expected, `round ${round}`);
    drops += server.drops;
    client.close();
    assert.ok(round < 100);
  }
});

test("contexts side by side survive drops, each whole", async () => {
  const random = chance(7);
  const server = new ScriptedServer();
  server.cut(() => 5 + Math.floor(random() * 60));
  const client = clientOf(server);
  const texts = ["first of them ", "a second one, longer ", "third "].map((text) => text.repeat(20));
  const heard = await Promise.all(texts.map((text) => speak(client, text, random)));
  assert.deepEqual(heard.map(spoken), texts);
  assert.ok(server.drops > 5);
  client.close();
});

test("a pause, a continue or an interrupt whose answer is lost is asked again", async () => {
  for (let round = 0; round < 60; round++) {
    const random = chance(round);
    const server = new ScriptedServer();
    server.cut(() => 2 + Math.floor(random() * 12));
    const client = clientOf(server);
    const context = client.start();
    const reading = all(context);
    context.push("hello there");
    assert.equal((await context.pause({ played_ms: 5 })).heard_text, "hello");
    context.push(" again");
    assert.equal((await context.continue()).type, "continued");
    const { heard_text, unspoken_text } = await context.interrupt({ played_ms: 7 });
    assert.equal(heard_text + unspoken_text, "hello there again");
    assert.deepEqual(types(await reading).at(-1), "interrupted");
    client.close();
  }
});

test("what was cancelled while there was no socket is cancelled on the server as soon as there is one", async () => {
  const server = new ScriptedServer();
  const client = clientOf(server);
  const context = client.start();
  const other = client.start();
  context.push("text");
  await settled();
  server.socket.end(1006, "");
  for await (const { type } of context) if (type === "started") break;
  other.push("x");
  other.end();
  assert.equal(spoken(await all(other)), "x");
  await settled();
  assert.ok(server.heard.some(({ type, context: id }) => type === "cancel" && id === context.id));
  client.close();
});

test("what is over is not told again", async () => {
  const server = new ScriptedServer();
  const client = clientOf(server);
  const over = client.start();
  over.push("text");
  over.end();
  await all(over);
  const left = client.start();
  left.push("text");
  await settled();
  for await (const { type } of left) if (type === "started") break;
  await settled();
  server.socket.end(1006, "");
  await settled();
  const asked = server.heard.filter(({ type }) => type === "resume").map(({ received }) => received);
  assert.deepEqual(asked, [{ c1: over.sequence, c2: 5 }]);
  assert.deepEqual(types(server.heard).slice(-2), ["cancel", "resume"]);
  client.close();
});

test("it comes back sooner at first, later each time, up to ten seconds, never in step", async () => {
  const server = new ScriptedServer({ limits: { resume_s: 60 } });
  const time = new StandingTime();
  const client = clientOf(server, { environment: { ...time, random: () => 0.5, fetch: offline } });
  await client.connect();
  const lost = [];
  client.addEventListener("lost", ({ detail }) => lost.push(detail));
  server.refusing = true;
  server.socket.end(1006, "");
  const at = [];
  for (let seen = 1; time.time < 50_000; ) {
    await time.pass(5);
    if (server.sockets.length > seen) at.push(time.time);
    seen = server.sockets.length;
  }
  const waits = at.map((when, index) => when - (at[index - 1] ?? 0));
  const expected = [125, 250, 500, 1000, 2000, 4000, 5000, 5000, 5000];
  assert.ok(expected.every((ms, index) => Math.abs(waits[index] - ms) <= 10), `${waits}`);
  assert.deepEqual(lost, [{ code: 1006, reason: "" }]);
  assert.equal(client.state, "reconnecting");

  server.refusing = false;
  await time.pass(10_000);
  assert.equal(client.state, "open");
  client.close();
  assert.equal(time.timers.size, 0);
});

test("after the time a server waits, what was begun is lost, with the reason", async () => {
  const server = new ScriptedServer({ limits: { resume_s: 3 } });
  const time = new StandingTime();
  const client = clientOf(server, { environment: { ...time, fetch: offline } });
  const context = client.start();
  context.push("text");
  await settled();
  const lost = assert.rejects(all(context), (error) => error.code === "context_lost" && error.cause.code === "connection_failed");
  server.refusing = true;
  server.socket.end(1006, "");
  await time.pass(2900);
  assert.equal(client.state, "reconnecting");
  await time.pass(200);
  await lost;
  assert.equal(client.state, "idle");
  assert.equal(time.timers.size, 0);
});

test("a refusal that will not change ends it at once", async () => {
  const server = new ScriptedServer();
  const body = JSON.stringify({ error: { code: "key_revoked", message: "revoked" } });
  const client = clientOf(server, { environment: { ...quickTime(), fetch: async () => new Response(body, { status: 401 }) } });
  const context = client.start();
  await settled();
  server.refusing = true;
  server.socket.end(1006, "");
  await assert.rejects(all(context), { code: "key_revoked" });
  assert.equal(server.sockets.length, 2);
});

/** A client whose server refuses the next sockets, and says when to come back; and when it came, in ms. */
async function refused(retry_after_s, passing) {
  const server = new ScriptedServer({ limits: { resume_s: 30 } });
  const time = new StandingTime();
  const body = JSON.stringify({ error: { code: "connection_limit", message: "full", retryable: true, retry_after_s } });
  const client = clientOf(server, { environment: { ...time, fetch: async () => new Response(body, { status: 429 }) } });
  const context = client.start();
  await settled();
  server.refusing = true;
  server.socket.end(1006, "");
  const at = [];
  for (let seen = 1; time.time < passing; ) {
    await time.pass(50);
    if (server.sockets.length > seen) at.push(time.time);
    seen = server.sockets.length;
  }
  return { server, client, context, time, at };
}

test("a server that refuses is left alone for as long as it says", async () => {
  const { server, client, context, time, at } = await refused(8, 25_000);
  assert.deepEqual(at, [250, 250 + 8500, 250 + 8500 + 9000]);
  server.refusing = false;
  await time.pass(10_000);
  assert.equal(client.state, "open");
  assert.equal(context.error, null);
  client.close();
  assert.equal(time.timers.size, 0);
});

test("a server that wants to be left alone for longer than it waits is not asked again", async () => {
  const { context, time, at } = await refused(29.9, 1000);
  assert.deepEqual(at, [250]);
  assert.deepEqual([context.error.code, context.error.cause.code], ["context_lost", "connection_limit"]);
  assert.equal(time.timers.size, 0);
});

test("nonsense about when to come back is not heeded", async () => {
  for (const nonsense of [null, "soon", -5, {}]) {
    const { client, at } = await refused(nonsense, 2000);
    assert.deepEqual(at, [250, 750, 1750], `${nonsense}`);
    client.close();
  }
});

test("text that waits for a socket is bounded, for all contexts together, and taken whole or not at all", async () => {
  const server = new ScriptedServer({ manual: true });
  const time = new StandingTime();
  const client = clientOf(server, { environment: time, bufferBytes: 20_000 });
  const [one, other, captions] = [client.start(), client.start(), client.start({ input: "captions" })];
  await settled();
  const long = "x".repeat(9000);
  for (let piece = 0; piece < 2; piece++) one.push(long);
  one.push(long); // there is a socket: as much as the server takes
  server.socket.end(1006, "");
  await settled();
  one.push(long);
  other.push(long);
  const before = one.text;
  const tooMuch = { code: "text_limit", param: "text" };
  assert.throws(() => one.push("y".repeat(9000)), tooMuch);
  assert.throws(() => other.push(long), tooMuch);
  assert.throws(() => captions.cue({ text: long }), tooMuch);
  assert.equal(one.text, before);
  one.flush();
  one.end();
  await time.pass(300);
  assert.equal(client.state, "open");
  other.push(long);
  other.end();
  await settled();
  const again = server.heard.slice(server.heard.findLastIndex(({ type }) => type === "resume"));
  for (const { id, text } of [one, other]) {
    const heard = again.filter(({ type, context }) => type === "text" && context === id);
    assert.equal(heard.map((piece) => piece.text).join(""), text);
  }
  assert.equal(one.text, before);
  assert.equal(other.text.length, 18_000);

  server.socket.end(1006, "");
  await settled();
  captions.cue({ text: long });
  assert.throws(() => captions.cue({ text: long.repeat(2) }), tooMuch);
  client.close();
});

test("a server that forgot says so of what was begun; what it never answered is begun again", async () => {
  const server = new ScriptedServer();
  const client = clientOf(server);
  const recovered = [];
  client.addEventListener("recovered", ({ detail }) => recovered.push(detail.contexts));
  const begun = client.start();
  begun.push("gone");
  await settled();
  server.socket.end(1006, "");
  server.forget();
  const fresh = client.start();
  fresh.push("fresh");
  fresh.end();
  const events = [];
  await assert.rejects(async () => {
    for await (const event of begun) events.push(event);
  }, { code: "context_lost", context: "c1", retryable: true });
  assert.equal(spoken(events), "gone");
  assert.equal(spoken(await all(fresh)), "fresh");
  assert.deepEqual(recovered, [{ c1: false }]);

  const next = client.start();
  next.push("the new session is resumed as well ");
  await settled();
  server.socket.end(1006, "");
  next.push("now");
  next.end();
  assert.equal(spoken(await all(next)), "the new session is resumed as well now");
  client.close();
});

test("without resume a lost socket loses what was on it, and the next use opens another", async () => {
  const server = new ScriptedServer();
  const client = clientOf(server, { resume: false });
  const context = client.start();
  await settled();
  assert.equal(new URL(server.socket.url).search, "");
  server.socket.end(1006, "");
  await assert.rejects(all(context), { code: "context_lost" });
  assert.equal(client.state, "idle");
  const next = client.start();
  next.push("x");
  next.end();
  assert.equal(spoken(await all(next)), "x");
  client.close();
});

test("only a socket that was lost is replaced", async () => {
  const fates = [
    [1006, "", "reconnecting"], [1000, "", "reconnecting"], [1001, "", "reconnecting"], [1011, "", "reconnecting"],
    [1012, "Service Restart", "reconnecting"], [4001, "stalled_reader", "reconnecting"],
    [1001, "draining", "draining"], [1008, "key_revoked", "key_revoked"], [1009, "", "message_limit"],
    [4000, "invalid_message", "invalid_message"], [4002, "idle_timeout", "idle_timeout"], [4003, "", "context_lost"],
  ];
  for (const [code, reason, fate] of fates) {
    const server = new ScriptedServer();
    const time = new StandingTime();
    const client = clientOf(server, { environment: time });
    const context = client.start();
    await settled();
    server.socket.end(code, reason);
    await settled();
    const became = client.state === "reconnecting" ? client.state : context.error.code;
    assert.equal(became, fate, `${code} ${reason}`);
    client.close();
    await settled();
    assert.equal(time.timers.size, 0);
  }
});

test("closed while it looks for a socket, it looks no longer", async () => {
  const server = new ScriptedServer();
  const time = new StandingTime();
  const client = clientOf(server, { environment: time });
  const context = client.start();
  await settled();
  server.socket.end(1006, "");
  await settled();
  assert.equal(time.timers.size, 1);
  client.close();
  await assert.rejects(all(context), { code: "closed" });
  await settled();
  assert.equal(time.timers.size, 0);
  assert.equal(server.sockets.length, 1);
});

test("figures told while there is no socket are told over the next", async () => {
  const server = new ScriptedServer();
  const client = clientOf(server);
  const context = client.start();
  context.end();
  await all(context);
  server.socket.end(1006, "");
  await new Promise(setImmediate);
  assert.equal(client.state, "reconnecting");
  context.report({ underruns: 2 });
  await settled();
  assert.deepEqual(server.heard.at(-1), { type: "report", context: "c1", underruns: 2 });
  client.close();
});
