// Timed cues up, and channels that are only listened to.
import assert from "node:assert/strict";
import { test } from "node:test";
import { StreamerClient } from "../src/streamer.js";
import { Track } from "../src/track.js";
import { FOREVER, ScriptedServer, all, chance, quickTime, settled } from "./scripted.js";

const clientOf = (server, options) =>
  new StreamerClient("ws://scripted", { WebSocket: server.WebSocket, environment: quickTime(), openTimeout: FOREVER, ...options });
const spoken = (events) => Buffer.concat(events.filter(({ type }) => type === "audio").map(({ data }) => data)).toString();
const cuesOf = (messages) => messages.filter(({ type }) => type === "cue");

/** What a server would say of a context, by itself. */
const say = (server, message) => server.socket.session.contexts.get("c1").say(message);
const segment = (text, offset, cue = null) =>
  ({ type: "segment", index: 0, text, offset, start_ms: 0, reason: "end", lost: false, cue, rate: 1 });
const words = (text, offset) =>
  ({ type: "words", words: [{ text, start_ms: 0, end_ms: 1, offset }], timing: "model", unit: "word" });

test("of what may go on for days the latest words are kept", async () => {
  const server = new ScriptedServer();
  const client = clientOf(server, { bufferBytes: 1 << 30 });
  const listener = client.subscribe("hall-1");
  await settled();
  const many = Array.from({ length: 1000 }, (_, at) => ({ text: "a", start_ms: at, end_ms: at + 1, offset: at }));
  for (let round = 0; round < 21; round++) say(server, { type: "words", words: many, timing: "model", unit: "word" });
  say(server, words("last", 1000));
  await settled();
  assert.equal(listener.words.length, 20_000);
  assert.equal(listener.words.at(-1).text, "last");
  client.close();
});

test("a player lets go of what it has told where nothing is paused", () => {
  const word = { text: "a", start_ms: 0, end_ms: 1, offset: 0, codepoint: 0 };
  for (const [pausable, left] of [[true, 600], [false, 300]]) {
    const track = new Track(1, /** @type {any} */ ({ pausable }));
    track.words.push(...Array(600).fill(word));
    track.segments.push(/** @type {any} */ ({ start_ms: 0 }));
    [track.said, track.shown] = [300, 1];
    track.trim();
    assert.equal(track.words.length, left);
    assert.equal(track.before + track.said, 300);
    assert.equal(track.segments.length, pausable ? 1 : 0);
  }
});

test("a cue says what it is, and has an id in any case", async () => {
  const server = new ScriptedServer();
  const client = clientOf(server, { voice: "v" });
  const context = client.start({ input: "captions", cues: { origin_ms: "first", overrun: "merge" }, captions: true, channel: "hall-1" });
  assert.equal(context.cue({ id: "7", text: "one", start_ms: 0, end_ms: 900.5, voice: "Anna" }), "7");
  const made = [context.cue({ text: "two\ud800" }), context.cue({ text: "three" })];
  assert.equal(new Set([...made, "7"]).size, 3);
  context.end();
  const events = await all(context);
  const [start, ...heard] = server.heard;
  const cues = { origin_ms: "first", overrun: "merge" };
  assert.deepEqual(start, { type: "start", context: "c1", voice: "v", input: "captions", cues, captions: true, channel: "hall-1" });
  assert.deepEqual(heard.slice(0, -1), [
    { type: "cue", context: "c1", id: "7", text: "one", start_ms: 0, end_ms: 900.5, voice: "Anna" },
    { type: "cue", context: "c1", id: made[0], text: "two\ufffd" },
    { type: "cue", context: "c1", id: made[1], text: "three" },
  ]);
  assert.deepEqual(events.filter(({ type }) => type === "segment").map(({ cue }) => cue), ["7", ...made]);
  assert.throws(() => context.cue({ text: "four" }), { code: "context_conflict" });
  client.close();
});

test("offsets of captions are those of the texts that were told, wherever these came from", async () => {
  const server = new ScriptedServer();
  const client = clientOf(server);
  const context = client.start({ input: "captions" });
  await settled();
  // Of cues at once the second may be told first.
  say(server, segment("so \u{1f600} far", 20));
  say(server, words("far", 25));
  say(server, segment("\u{1d4b3} is first", 0));
  say(server, words("first", 5));
  say(server, words("so", 20));
  context.end();
  const told = await all(context);
  const [late, early] = context.words;
  assert.equal(late.codepoint, 25);
  assert.equal(late.offset, 26, "as far as was known then");
  assert.deepEqual([early.text, early.codepoint, early.offset], ["first", 5, 6]);
  assert.ok(context.text.startsWith("first", early.offset));
  const [second, first] = told.filter(({ type }) => type === "segment");
  assert.deepEqual([first.offset, second.offset], [0, 20]);
  client.close();
});

test("text of captions counts what was pushed, in pieces of whatever size", async () => {
  const server = new ScriptedServer({ manual: true });
  const client = clientOf(server);
  await client.connect();
  const context = client.start({ input: "captions" });
  context.push("\u{1f600}".repeat(4095) + "tail");
  context.push(" and more");
  await settled();
  const pieces = server.heard.filter(({ type }) => type === "text");
  let at = 0;
  for (const piece of pieces) {
    assert.equal(piece.at, at);
    at += Array.from(piece.text).length;
  }
  assert.equal(at, 4095 + 13);
  assert.equal(context.text, "");
  client.close();
});

test("what is late, skipped and told as captions comes as events, words of captions with offsets", async () => {
  const server = new ScriptedServer();
  const client = clientOf(server);
  const context = client.start({ input: "captions", captions: true });
  await client.connect();
  await settled();
  const late = { type: "late", cue: "2", by_ms: 640.125, rate: 1.35, into: null };
  const skipped = { type: "skipped", cue: "3", reason: "empty" };
  const told = [{ text: "there", start_ms: 0, end_ms: 1, offset: 2 }];
  say(server, segment("\u{1f600} there", 0, "2"));
  say(server, late);
  say(server, skipped);
  say(server, { type: "caption", index: 0, start_ms: 0, end_ms: 1, text: "\u{1f600} there", words: told, cue: "2" });
  context.end();
  const events = await all(context);
  const of = (type) => events.find((event) => event.type === type);
  assert.deepEqual(of("late"), { ...late, context: "c1", sequence: 2 });
  assert.deepEqual(of("skipped"), { ...skipped, context: "c1", sequence: 3 });
  assert.deepEqual(of("caption").words, [{ ...told[0], codepoint: 2, offset: 3 }]);
  client.close();
});

test("captions, what is published and a channel can't be paused, and nobody is asked", async () => {
  const server = new ScriptedServer();
  const client = clientOf(server);
  const contexts = [client.start({ input: "captions" }), client.start({ channel: "a" }), client.subscribe("a")];
  assert.equal(client.start().pausable, true);
  await settled();
  for (const context of contexts) {
    assert.equal(context.pausable, false);
    await assert.rejects(context.pause(), { code: "not_available" });
  }
  assert.ok(server.heard.every(({ type }) => ["start", "subscribe"].includes(type)));
  client.close();
});

test("a channel is listened to, from its middle", async () => {
  const server = new ScriptedServer();
  const client = clientOf(server, { voice: "v", speed: 2, timestamps: "char", audio: "opus" });
  const context = client.subscribe("hall-1", { back_ms: 5000, captions: true });
  for (const act of ["push", "flush", "end"]) assert.throws(() => context[act]("text"), { code: "not_available" });
  assert.throws(() => context.cue({ text: "text" }), { code: "not_available" });
  await settled();
  assert.deepEqual(server.heard, [
    { type: "subscribe", context: "c1", channel: "hall-1", audio: { codec: "opus" }, timestamps: "char", captions: true, back_ms: 5000 },
  ]);
  say(server, segment("And \u{1f600} on.", 311));
  say(server, words("on", 317));
  await settled();
  assert.ok(context.text.startsWith("on.", context.words[0].offset));
  const { heard_text } = await context.interrupt();
  assert.equal(heard_text, "");
  assert.equal(server.heard.at(-1).type, "interrupt");
  client.close();
});

test("a listener who is cut off a lost socket goes on where it was", async () => {
  const server = new ScriptedServer();
  const client = clientOf(server);
  const context = client.subscribe("hall-1");
  const reading = all(context);
  await settled();
  say(server, segment("one", 0));
  await settled();
  const { session } = server.socket;
  server.socket.end(1006, "");
  session.contexts.get("c1").say(segment("two", 4));
  await settled();
  context.interrupt().catch(() => {});
  await settled();
  const texts = (await reading).flatMap(({ type, text }) => (type === "segment" ? [text] : []));
  assert.deepEqual(texts, ["one", "two"]);
  assert.equal(server.heard.filter(({ type }) => type === "subscribe").length, 1);
  client.close();
});

test("cues survive two hundred drops, each spoken once", async () => {
  const texts = Array.from({ length: 60 }, (_, index) => `cue ${index} \u{1f600} of many`);
  let drops = 0;
  for (let round = 0; drops < 200; round++) {
    const random = chance(round + 1);
    const server = new ScriptedServer();
    server.cut(() => 20 + Math.floor(random() * 200));
    const client = clientOf(server);
    const context = client.start({ input: "captions" });
    const reading = all(context);
    for (const text of texts) {
      context.cue({ text });
      if (random() < 0.3) await new Promise(setImmediate);
    }
    context.end();
    const events = await reading;
    assert.equal(spoken(events), texts.join(""), `round ${round}`);
    assert.equal(context.text, texts.join(" "));
    for (const { text, offset } of context.words) assert.ok(context.text.startsWith(text, offset));
    drops += server.drops;
    client.close();
    assert.ok(round < 100);
  }
});

test("after a lost socket cues are said again from the last one that was told of", async () => {
  const server = new ScriptedServer();
  const client = clientOf(server);
  const context = client.start({ input: "captions" });
  const reading = all(context);
  for (const id of ["1", "2", "3"]) context.cue({ id, text: `cue ${id}` });
  await settled();
  server.heard.length = 0;
  server.socket.end(1006, "");
  context.cue({ id: "4", text: "cue 4" });
  await settled();
  assert.deepEqual(cuesOf(server.heard).map(({ id }) => id), ["3", "4"]);
  context.end();
  assert.equal(spoken(await reading), "cue 1cue 2cue 3cue 4");
  client.close();
});

test("a cue that goes on from one that is being spoken is not taken for it", async () => {
  const server = new ScriptedServer();
  const client = clientOf(server);
  const context = client.start({ input: "captions" });
  context.cue({ id: "1", text: "begun" });
  await settled();
  server.manual = true; // what follows is lost
  context.cue({ id: "1", text: "begun and more" });
  say(server, segment("begun", 6, "1"));
  await settled();
  server.heard.length = 0;
  server.socket.end(1006, "");
  await settled();
  assert.deepEqual(cuesOf(server.heard).map(({ text }) => text), ["begun", "begun and more"]);
  client.close();
});
