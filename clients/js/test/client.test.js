import assert from "node:assert/strict";
import { test } from "node:test";
import { StreamerClient, StreamerError } from "../src/streamer.js";
import { FOREVER, ScriptedServer, StandingTime, all, quickTime, settled } from "./scripted.js";

const URL_ = "ws://scripted";
const clientOf = (server, options) => new StreamerClient(URL_, { WebSocket: server.WebSocket, environment: quickTime(), openTimeout: FOREVER, ...options });
const types = (messages) => messages.map(({ type }) => type);
const spoken = (events) => Buffer.concat(events.filter(({ type }) => type === "audio").map(({ data }) => data)).toString();
const answering = (status, body = "") => async (...request) => {
  answering.request = request;
  return new Response(body, { status });
};

test("text goes up as it is pushed, and its events come down, offsets in units of the string", async () => {
  const server = new ScriptedServer();
  const client = clientOf(server, { voice: "heart", audio: "opus" });
  const context = client.start({ speed: 1.5, audio: { codec: "mp3", bit_rate: 32000 } });
  context.push("Grüße 😀 ", { mark: "m" });
  context.push("dir.");
  context.end();
  const events = await all(context);

  assert.deepEqual(server.heard, [
    { type: "start", context: "c1", voice: "heart", speed: 1.5, audio: { codec: "mp3", bit_rate: 32000 } },
    { type: "text", context: "c1", text: "Grüße 😀 ", at: 0, mark: "m" },
    { type: "text", context: "c1", text: "dir.", at: 8 },
    { type: "end", context: "c1" },
  ]);
  assert.equal(spoken(events), "Grüße 😀 dir.");
  assert.deepEqual([events[0].type, events.at(-1).type], ["started", "done"]);
  assert.deepEqual(context.words.map(({ text, offset, codepoint }) => [text, offset, codepoint]), [["Grüße", 0, 0], ["😀", 6, 6], ["dir.", 9, 8]]);
  assert.ok(context.words.every(({ text, offset }) => context.text.startsWith(text, offset)));
  assert.ok(context.over);
  assert.equal(context.ending, events.at(-1));
  client.close();
});

test("a character may be cut in two, and half a one is no character", async () => {
  const server = new ScriptedServer();
  const client = clientOf(server);
  client.push("a\uD83D");
  client.push("\uDE00b\uDE00c\uD83D");
  client.end();
  assert.equal(spoken(await all(client)), "a😀b\uFFFDc\uFFFD");
  client.close();
});

test("contexts speak side by side over one connection", async () => {
  const server = new ScriptedServer();
  const client = clientOf(server);
  const texts = ["one", "two ", "three"];
  const contexts = texts.map((text) => {
    const context = client.start();
    context.push(text);
    context.end();
    return context;
  });
  const heard = await Promise.all(contexts.map(async (context) => spoken(await all(context))));
  assert.deepEqual(heard, texts);
  assert.equal(server.sockets.length, 1);
  client.close();
});

test("the short form speaks one utterance after the other", async () => {
  const server = new ScriptedServer();
  const client = clientOf(server);
  for (const text of ["first", "second"]) {
    client.push(text);
    client.flush();
    client.end();
    assert.equal(spoken(await all(client)), text);
  }
  const third = all(client);
  client.push("third");
  client.end();
  assert.equal(spoken(await third), "third");
  client.push("fourth");
  const paused = await client.pause({ played_ms: 2 });
  assert.equal(paused.heard_text, "fo");
  assert.equal((await client.continue()).type, "continued");
  const interrupted = await client.interrupt({ played_ms: 3 });
  assert.deepEqual([interrupted.heard_text, interrupted.unspoken_text], ["fou", "rth"]);
  client.close();
});

test("connect tells what the server greeted with, once for all who ask", async () => {
  const server = new ScriptedServer({ limits: { max_contexts: 3 } });
  const client = clientOf(server);
  const states = [];
  client.addEventListener("state", ({ detail }) => states.push(detail.state));
  const [ready, again] = await Promise.all([client.connect(), client.connect()]);
  assert.equal(ready, again);
  assert.deepEqual([ready.session, ready.limits, client.ready], ["s1", { max_contexts: 3 }, ready]);
  assert.equal(await client.connect(), ready);
  assert.deepEqual(server.socket.protocols, ["streamer.v1"]);
  await client.close();
  assert.equal(server.socket.closedWith, 1000);
  assert.deepEqual(states, ["connecting", "open", "closed"]);
  await assert.rejects(client.connect(), { code: "closed" });
  assert.throws(() => client.start(), { code: "closed" });
});

test("why a handshake was refused is asked for, with the key in a header", async () => {
  const server = new ScriptedServer();
  server.refusing = true;
  const body = JSON.stringify({ error: { code: "key_revoked", message: "revoked", param: null, retryable: false, request_id: "r" } });
  const environment = { ...quickTime(), fetch: answering(401, body) };
  const client = clientOf(server, { key: "secret", environment });
  const context = client.start();
  await assert.rejects(client.connect(), { code: "key_revoked", requestId: "r", retryable: false });
  await assert.rejects(all(context), { code: "key_revoked" });
  const [url, { headers }] = answering.request;
  assert.deepEqual([url, headers], ["http://scripted/v1/stream?resume=1", { authorization: "Bearer secret" }]);
  assert.equal(client.state, "idle");

  server.refusing = false;
  await client.connect();
  client.close();
});

test("a server that can't be reached is said to be so", async () => {
  const server = new ScriptedServer();
  server.refusing = true;
  const cause = new TypeError("fetch failed");
  const fetch = async () => {
    throw cause;
  };
  const unreachable = clientOf(server, { environment: { ...quickTime(), fetch } });
  await assert.rejects(unreachable.connect(), { code: "connection_failed", retryable: true, cause });
  const noSocket = clientOf(server, { environment: { ...quickTime(), fetch: answering(200) } });
  await assert.rejects(noSocket.connect(), { code: "connection_failed" });
});

test("a key may be got anew for every connection", async () => {
  const server = new ScriptedServer();
  let count = 0;
  const client = clientOf(server, { key: async () => `k${++count}` });
  await client.connect();
  assert.equal(server.socket.protocols[1], "streamer.auth." + Buffer.from("k1").toString("base64url"));
  server.socket.end(1006, "");
  await settled();
  assert.equal(server.socket.protocols[1], "streamer.auth." + Buffer.from("k2").toString("base64url"));
  client.close();

  const broken = new Error("no token today");
  const without = clientOf(server, { key: () => Promise.reject(broken) });
  await assert.rejects(without.connect(), broken);
});

test("what can be no key, or no address, is refused by name", async () => {
  const server = new ScriptedServer();
  const noKey = { name: "StreamerError", code: "invalid_parameter", param: "key", retryable: false };
  for (const key of ["ключ", "kéy", "a\nb", "a\u007f", "\u{1f600}"]) {
    assert.throws(() => clientOf(server, { key }), noKey);
    assert.throws(() => new StreamerClient(`ws://scripted/#${new URLSearchParams({ key })}`), noKey);
    const asking = clientOf(server, { key: async () => key });
    const context = asking.start();
    await assert.rejects(asking.connect(), noKey);
    await assert.rejects(all(context), noKey);
    assert.equal(asking.state, "idle");
  }
  const noAddress = { name: "StreamerError", code: "invalid_parameter", param: "url", retryable: false };
  for (const url of ["ws://", "ws://[::1", "ws://a b", "ws://host:99999", "ftp://host", "host", ""]) {
    assert.throws(() => new StreamerClient(url), noAddress);
  }
  const cause = new DOMException("an insecure WebSocket from a page over https", "SecurityError");
  const insecure = clientOf(server, { WebSocket: class { constructor() { throw cause; } } });
  await assert.rejects(insecure.connect(), { ...noAddress, cause });
  assert.equal(server.sockets.length, 0);
});

test("silence is not waited for", async () => {
  const server = new ScriptedServer();
  server.greet = () => {};
  const time = new StandingTime();
  const client = clientOf(server, { environment: time, openTimeout: 5000 });
  const opening = client.connect();
  await time.pass(4999);
  assert.equal(client.state, "connecting");
  await time.pass(1);
  await assert.rejects(opening, { code: "connection_failed" });
  assert.equal(server.socket.closedWith, 1000);
  assert.equal(time.timers.size, 0);
});

test("an error ends its context, after what came before it, and no other", async () => {
  const server = new ScriptedServer();
  const client = clientOf(server);
  const context = client.start();
  const other = client.start();
  context.push("ab");
  other.push("cd");
  await settled();
  const spokenOf = server.socket.session.contexts.get("c1");
  spokenOf.say({ type: "error", code: "engine_failed", message: "it broke", param: null, retryable: true });
  const events = [];
  await assert.rejects(async () => {
    for await (const event of context) events.push(event);
  }, { code: "engine_failed", context: "c1", retryable: true });
  assert.equal(spoken(events), "ab");
  assert.throws(() => context.push("more"), { code: "engine_failed" });
  await assert.rejects(context.interrupt(), { code: "engine_failed" });
  await assert.rejects(context.pause(), { code: "engine_failed" });
  other.end();
  assert.equal(spoken(await all(other)), "cd");
  assert.throws(() => other.push("more"), { code: "context_conflict" });
  client.close();
});

test("an error of the whole connection ends every context, and it can be opened anew", async () => {
  const server = new ScriptedServer();
  const client = clientOf(server);
  const context = client.start();
  await settled();
  server.socket.tell({ type: "error", code: "budget_spent", message: "no more", param: null, retryable: false });
  await settled();
  server.socket.end(1008, "budget_spent");
  await assert.rejects(async () => all(context), { code: "budget_spent", message: "no more" });
  assert.equal(client.state, "idle");
  const again = client.start();
  again.push("x");
  again.end();
  assert.equal(spoken(await all(again)), "x");
  client.close();
});

test("interrupt drops what waits to be read and says what was heard", async () => {
  const server = new ScriptedServer();
  const client = clientOf(server);
  const context = client.start();
  context.push("hello there");
  await settled();
  const interrupted = await context.interrupt({ played_ms: 5 });
  assert.deepEqual([interrupted.heard_text, interrupted.unspoken_text], ["hello", " there"]);
  assert.deepEqual(await all(context), [interrupted]);
  assert.deepEqual(await context.interrupt({ played_ms: 9 }), interrupted);
  client.close();
});

test("after done this client knows itself what was heard", async () => {
  const server = new ScriptedServer();
  const client = clientOf(server);
  const context = client.start();
  context.push("“One” two.");
  context.end();
  await all(context);
  const sent = server.heard.length;
  const at = async (options) => {
    const { heard_text, unspoken_text, played_ms, clock, type } = await context.interrupt(options);
    assert.deepEqual([type, clock, heard_text + unspoken_text], ["interrupted", "client", "“One” two."]);
    return [heard_text, played_ms];
  };
  assert.deepEqual(await at({ played_ms: 4 }), ["", 4]);
  assert.deepEqual(await at({ played_ms: 7 }), ["“One”", 7]);
  assert.deepEqual(await at(), ["“One” two.", 10]);
  assert.deepEqual(await at({ played_ms: 1e9 }), ["“One” two.", 10]);
  context.played(6);
  assert.deepEqual(await at(), ["“One”", 6]);
  const paused = await context.pause({ played_ms: 7 });
  assert.deepEqual([paused.type, paused.heard_text, paused.sequence], ["paused", "“One”", -1]);
  assert.deepEqual(await at({ played_ms: 9 }), ["“One”", 7], "it was paused there");
  const { type, sequence, at_ms, offset } = await context.continue();
  assert.deepEqual([type, sequence, at_ms, offset], ["continued", -1, 10, 5]);
  await assert.rejects(context.continue(), { code: "context_conflict" });
  assert.equal(server.heard.length, sent);
  client.close();
});

test("words that come again after a pause replace the old ones", async () => {
  const server = new ScriptedServer();
  const client = clientOf(server);
  const context = client.start();
  context.push("one two three ");
  await settled();
  assert.deepEqual(context.words.map(({ text }) => text), ["one", "two", "three"]);
  await context.pause({ played_ms: 3.5 });
  const mine = server.socket.session.contexts.get("c1");
  const going = context.continue();
  await settled();
  mine.say({ type: "words", words: [{ text: "two", start_ms: 14, end_ms: 17, offset: 4 }], timing: "model", unit: "word" });
  await going;
  await settled();
  assert.deepEqual(context.words.map(({ text, end_ms }) => [text, end_ms]), [["one", 3], ["two", 17]]);
  context.end();
  assert.deepEqual(types((await all(context)).filter(({ type }) => type.endsWith("ed"))), ["started", "paused", "continued"]);
  client.close();
});

test("what waits to be read and was not heard at a pause is dropped: it comes again", async () => {
  const server = new ScriptedServer();
  const client = clientOf(server);
  const context = client.start();
  context.push("one two three ");
  await settled();
  const mine = server.socket.session.contexts.get("c1");
  for (const [offset, text] of [[0, "one two"], [8, "three"]]) mine.say({ type: "segment", index: 0, text, offset, start_ms: offset, reason: "end", lost: false });
  for (const at_ms of [2, 9]) mine.say({ type: "mark", mark: "m", at_ms });
  await settled();
  await context.pause({ played_ms: 5 });
  context.continue();
  await settled();
  mine.close();
  context.end();
  const events = await all(context);
  assert.equal(spoken(events), "one ");
  const told = (type, what) => events.filter((event) => event.type === type).map(what);
  assert.deepEqual(told("segment", ({ text }) => text), ["one two"]);
  assert.deepEqual(told("mark", ({ at_ms }) => at_ms), [2]);
  assert.deepEqual(told("words", ({ words }) => words.map(({ text }) => text)), [["one"]]);
  client.close();
});

test("pause and continue wait for each other's answers, interrupt for nobody", async () => {
  const server = new ScriptedServer({ manual: true });
  const client = clientOf(server);
  const context = client.start();
  const paused = context.pause();
  const continued = context.continue();
  await settled();
  assert.deepEqual(types(server.heard), ["start", "pause"]);
  server.manual = false;
  server.hear(server.socket, server.heard.shift());
  server.hear(server.socket, server.heard.shift());
  assert.equal((await paused).type, "paused");
  assert.equal((await continued).type, "continued");

  server.manual = true;
  const last = context.pause();
  const never = context.continue();
  const stopped = context.interrupt();
  await settled();
  server.manual = false;
  server.hear(server.socket, { type: "interrupt", context: "c1" });
  assert.equal((await stopped).type, "interrupted");
  assert.equal((await last).type, "paused");
  assert.equal((await never).sequence, -1);
  client.close();
});

test("cancel is acknowledged, and leaving the loop cancels", async () => {
  const server = new ScriptedServer();
  const client = clientOf(server);
  const context = client.start();
  context.push("text");
  await context.cancel();
  assert.deepEqual(types(await all(context)), ["done"]);
  await assert.rejects(context.interrupt(), { code: "context_conflict" });
  const left = client.start();
  for await (const { type } of left) if (type === "started") break;
  assert.ok(left.over);
  await settled();
  assert.deepEqual(server.heard.at(-1), { type: "cancel", context: "c2" });
  assert.deepEqual(await all(left), []);
  client.close();
});

test("whatever a signal aborts is given up with its reason, and not listened to any longer", async () => {
  const server = new ScriptedServer();
  const reason = new Error("enough");
  const listeners = (signal) => {
    let count = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...rest) => (count++, addEventListener.apply(signal, rest));
    signal.removeEventListener = (...rest) => (count--, removeEventListener.apply(signal, rest));
    return () => (signal.aborted ? 0 : count); // one that has fired is no burden
  };
  const whole = new AbortController();
  const ofClient = listeners(whole.signal);
  const client = clientOf(server, { signal: whole.signal });
  const one = new AbortController();
  const ofOne = listeners(one.signal);
  const context = client.start({ signal: one.signal });
  const reading = all(context);
  await settled();
  one.abort(reason);
  await assert.rejects(reading, reason);
  await settled();
  assert.deepEqual(types(server.heard), ["start", "cancel"]);
  assert.equal(ofOne(), 0);
  assert.throws(() => client.start({ signal: one.signal }), reason);
  await assert.rejects(client.connect({ signal: one.signal }), reason);

  server.manual = true;
  const quiet = client.start();
  for (const ask of ["pause", "interrupt", "cancel"]) {
    const giving = new AbortController();
    const count = listeners(giving.signal);
    const asked = quiet[ask]({ signal: giving.signal });
    await settled();
    assert.equal(count(), 1);
    giving.abort(reason);
    await assert.rejects(asked, reason);
  }
  const unused = new AbortController();
  const ofUnused = listeners(unused.signal);
  await client.connect({ signal: unused.signal });
  const finished = client.start({ signal: unused.signal });
  server.socket.tell({ type: "done", context: finished.id, sequence: 0, reason: "idle", samples: 0 });
  await finished.interrupt({ signal: unused.signal });
  await settled();
  assert.equal(ofUnused(), 0);
  whole.abort(reason);
  await assert.rejects(all(quiet), reason);
  assert.equal(client.state, "closed");
  assert.equal(ofClient(), 0);
  assert.throws(() => new StreamerClient(URL_, { signal: whole.signal }), reason);
});

test("a connection still being made is given up by close, whatever it waits for", async () => {
  const server = new ScriptedServer();
  server.greet = () => {};
  const time = new StandingTime();
  const greeting = clientOf(server, { environment: time });
  const opening = greeting.connect();
  await settled();
  await greeting.close();
  await assert.rejects(opening, { code: "closed" });
  assert.ok(!server.socket.alive);

  let keyed;
  const asking = clientOf(server, { environment: time, key: () => new Promise((resolve) => (keyed = resolve)) });
  const context = asking.start();
  const waiting = asking.connect();
  asking.close();
  await assert.rejects(all(context), { code: "closed" });
  await assert.rejects(waiting, { code: "closed" });
  keyed("late");
  await settled();
  assert.equal(server.sockets.length, 1, "no socket for nobody");
  assert.equal(time.timers.size, 0);
});

test("listeners that start something while a socket is opened are given that one", async () => {
  const server = new ScriptedServer();
  const client = clientOf(server);
  const said = [];
  client.addEventListener("state", ({ detail: { state } }) => {
    if (!/connecting$/.test(state) || said.length > 5) return;
    const context = client.start();
    context.push(state);
    context.end();
    said.push(all(context));
  });
  await client.connect();
  server.socket.end(1006, "");
  await settled();
  assert.deepEqual((await Promise.all(said)).map(spoken), ["connecting", "reconnecting"]);
  assert.equal(server.sockets.length, 2);
  client.close();
});

test("a reader too far behind loses its context, and only that", async () => {
  const server = new ScriptedServer();
  const client = clientOf(server, { bufferBytes: 20_000 });
  const slow = client.start();
  const other = client.start();
  slow.push("x".repeat(100));
  await settled();
  other.push("y");
  await settled();
  const events = [];
  await assert.rejects(async () => {
    for await (const event of slow) events.push(event);
  }, { code: "stalled_reader", context: "c1" });
  assert.ok(events.length > 50 && events.length < 80);
  assert.deepEqual(server.heard.filter(({ type }) => type === "cancel"), [{ type: "cancel", context: "c1" }]);
  other.end();
  assert.equal(spoken(await all(other)), "y");
  client.close();
});

test("what nobody waits for ends no process", async () => {
  const server = new ScriptedServer();
  server.refusing = true;
  const client = clientOf(server, { environment: { ...quickTime(), fetch: answering(503) } });
  client.connect();
  const context = client.start();
  context.interrupt();
  context.pause();
  context.continue();
  context.cancel();
  await settled();
  assert.equal(context.error.code, "connection_failed");
  client.close();
  context.interrupt();
  context.pause();
  client.connect();
  client.connect({ signal: AbortSignal.abort() });
  await settled();
});

test("a server that says nonsense is hung up on", async () => {
  const server = new ScriptedServer();
  const client = clientOf(server);
  const context = client.start();
  await settled();
  server.socket.tell("{nonsense");
  await assert.rejects(all(context), { code: "invalid_message" });
  assert.equal(client.state, "idle");
  assert.equal(server.socket.closedWith, 1000);
});

test("figures are told after the end, and how far was played before it", async () => {
  const server = new ScriptedServer();
  const client = clientOf(server);
  const context = client.start();
  await settled();
  context.played(12.5);
  context.push("a");
  context.end();
  await all(context);
  context.report({ first_sound_ms: 60, underruns: 0 });
  await settled();
  assert.deepEqual(server.heard[1], { type: "played", context: "c1", played_ms: 12.5 });
  assert.deepEqual(server.heard.at(-1), { type: "report", context: "c1", first_sound_ms: 60, underruns: 0 });
  client.close();
});

test("errors are one class", () => {
  const error = new StreamerError("engine_failed", "why", { param: "p" });
  assert.deepEqual([error.name, error.code, error.param, error.retryable, error.context], ["StreamerError", "engine_failed", "p", false, null]);
});
