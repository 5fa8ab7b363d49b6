// The client in node against a real server, whose words are tones: `SERVER_URL` says where.
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { StreamerClient } from "../../clients/js/src/streamer.js";
import { chance } from "../../clients/js/test/scripted.js";
import { cuttingProxy } from "./cutting_proxy.mjs";

const SERVER = new URL(process.env.SERVER_URL);
const LIMIT = { timeout: 40_000 };
const DROPS = Number(process.env.DROPS ?? 20);
const TEXT = "The tones are counted 😀 one by one. ";

async function all(context) {
  const events = [];
  for await (const event of context) events.push(event);
  return events;
}

const sound = (events) => Buffer.concat(events.filter(({ type }) => type === "audio").map(({ data }) => data));

const opened = [];

/** A client that is closed at the end of its test, however that ends: a socket that is left keeps node from its end. */
function connected(...options) {
  const client = new StreamerClient(...options);
  opened.push(client);
  return client;
}

async function proxied(...options) {
  const proxy = await cuttingProxy(...options);
  opened.push(proxy);
  return proxy;
}

afterEach(() => {
  for (const one of opened.splice(0)) one.close();
});

test("it speaks, and its words lie where the text says", LIMIT, async () => {
  const client = connected(SERVER);
  const ready = await client.connect();
  assert.ok(ready.session && ready.token && ready.limits.max_contexts);
  const context = client.start({ audio: "pcm_s16le" });
  for (const character of TEXT.repeat(2)) context.push(character, character === "T" ? { mark: "begin" } : undefined);
  context.end();
  const events = await all(context);
  const done = events.at(-1);
  assert.deepEqual([done.type, done.reason], ["done", "end"]);
  assert.equal(sound(events).length, done.samples * 2);
  assert.deepEqual(events.map(({ sequence }) => sequence), events.map((_, index) => index));
  let next = 0;
  for (const { pts, duration } of events.filter(({ type }) => type === "audio")) {
    assert.equal(pts, next);
    next += duration;
  }
  assert.equal(next, done.samples);
  assert.deepEqual(context.words.map(({ text }) => text), TEXT.repeat(2).match(/[A-Za-z]+/g));
  for (const { text, offset } of context.words) assert.ok(context.text.startsWith(text, offset));
  for (const { text, offset } of events.filter(({ type }) => type === "segment")) assert.ok(context.text.startsWith(text, offset));
  assert.equal(events.filter(({ type }) => type === "mark").length, 2);
  context.report({ first_sound_ms: 80, underruns: 0 });
  await client.close();
});

test("sound as JSON is the same sound", LIMIT, async () => {
  const client = connected(SERVER, { seed: 1 });
  const [binary, json] = await Promise.all(["binary", "json"].map((transport) => {
    const context = client.start({ audio: { codec: "opus", transport } });
    context.push(TEXT);
    context.end();
    return all(context);
  }));
  assert.equal(json[0].audio.transport, "json");
  assert.equal(Buffer.from(json[0].header).toString("latin1", 0, 8), "OpusHead");
  assert.deepEqual(sound(json), sound(binary));
  client.close();
});

test("an interrupt says what was heard", LIMIT, async () => {
  const client = connected(SERVER);
  client.push(TEXT.repeat(20));
  const words = [];
  let interrupted;
  for await (const event of client) {
    if (event.type === "words") words.push(...event.words);
    if (event.type === "audio" && event.pts > 24000 && !interrupted) interrupted = client.interrupt({ played_ms: 700 });
  }
  const { heard_text, heard_words, unspoken_text, played_ms, clock } = await interrupted;
  assert.equal(heard_text + unspoken_text, TEXT.repeat(20));
  assert.deepEqual([played_ms, clock], [700, "client"]);
  assert.deepEqual(heard_words, words.filter(({ end_ms }) => end_ms <= 700));
  assert.ok(heard_words.length > 0 && heard_text.endsWith(heard_words.at(-1).text));
  client.close();
});

test("pause keeps it all, continue goes on from the first word not heard", LIMIT, async () => {
  const client = connected(SERVER, { audio: "pcm_s16le", pacing: { lead_ms: 1000 } });
  const context = client.start();
  context.push(TEXT.repeat(3));
  context.end();
  const events = [];
  const reading = (async () => {
    for await (const event of context) events.push(event);
  })();
  while (!events.some(({ type, pts }) => type === "audio" && pts > 20000)) await new Promise((resolve) => setTimeout(resolve, 5));
  const paused = await context.pause({ played_ms: 500 });
  await new Promise((resolve) => setTimeout(resolve)); // what came with the answer is read
  const sent = Math.max(...events.filter(({ type }) => type === "audio").map(({ pts, duration }) => pts + duration));
  assert.equal(paused.heard_text + paused.unspoken_text, TEXT.repeat(3));
  const count = events.length;
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(events.length, count, "nothing comes while it is paused");
  const continued = await context.continue();
  const at = Math.round((continued.at_ms * context.started.audio.sample_rate) / 1000);
  assert.ok(at >= sent, `it goes on at ${at}, and ${sent} had been read`);
  const last = paused.heard_words.at(-1);
  assert.ok(continued.offset > last.offset);
  await reading;
  assert.equal(events.at(-1).type, "done");
  const packets = events.filter(({ type }) => type === "audio");
  // What had come and was not read when it was paused is not handed out: it is said again.
  packets.reduce((next, { pts, duration }) => (assert.equal(pts, next === sent ? at : next), pts + duration), 0);
  assert.deepEqual(context.words.map(({ text }) => text), TEXT.repeat(3).match(/[A-Za-z]+/g), "each once, where it now is");
  assert.ok(context.words.every(({ start_ms }, at) => at === 0 || start_ms >= context.words[at - 1].end_ms));
  const after = await context.interrupt();
  assert.equal(after.unspoken_text, "");
  client.close();
});

test("a client that closes is not waited for", LIMIT, async ({ signal }) => {
  const held = async () => {
    const metrics = await (await fetch(new URL("/metrics", SERVER))).text();
    return ["connections", "detached_connections", "active_contexts"].map((name) => new RegExp(`^streamer_${name} (\\S+)`, "m").exec(metrics)[1]);
  };
  const client = connected(SERVER);
  client.push(TEXT);
  await client.connect();
  assert.ok((await held()).some((count) => Number(count)));
  await client.close();
  while (!signal.aborted && (await held()).some((count) => Number(count))) await new Promise((resolve) => setTimeout(resolve, 20));
});

test("errors come as what they are", LIMIT, async () => {
  const client = connected(SERVER);
  await assert.rejects(all(client.start({ voice: "nobody" })), { code: "unknown_voice", param: "voice", retryable: false });
  await assert.rejects(all(client.start({ speed: 99 })), { code: "invalid_parameter", param: "speed" });
  const other = client.start({ audio: { codec: "flac", sample_rate: 12345 } });
  other.push("x");
  await assert.rejects(all(other), (error) => error.context === other.id);
  await assert.rejects(connected(new URL("/v1/nothing", SERVER)).connect(), { code: "not_found" });
  const nobody = connected("http://127.0.0.1:9");
  await assert.rejects(nobody.connect(), { code: "connection_failed" });
  assert.equal(client.state, "open", "others never notice");
  const cancelled = client.start();
  cancelled.push(TEXT);
  await cancelled.cancel();
  assert.equal((await all(cancelled)).at(-1).reason, "cancelled");
  client.close();
});

test("cues are heard in their order, each told of", LIMIT, async () => {
  const client = connected(SERVER, { audio: "pcm_s16le" });
  const context = client.start({ input: "captions", captions: true, cues: { max_rate: 1, delay_ms: 500 } });
  const cues = [["a", 0, 300, "One 😀 two."], ["b", 300, 400, "Three four five."], ["c", 400, 900, "Six."], ["d", 900, 1000, "[music]"]];
  for (const [id, start_ms, end_ms, text] of cues) context.cue({ id, start_ms, end_ms, text });
  context.cue({ id: "b", start_ms: 300, end_ms: 400, text: "Three four five." });
  context.end();
  const events = await all(context);
  const of = (type) => events.filter((event) => event.type === type);
  assert.equal(context.text, "One 😀 two. Three four five. Six.");
  assert.deepEqual(of("segment").map(({ cue, rate }) => [cue, rate]), [["a", 1], ["b", 1], ["c", 1]]);
  assert.deepEqual(of("skipped").map(({ cue, reason }) => [cue, reason]), [["d", "description"]]);
  assert.ok(of("late").every(({ cue, by_ms }) => /[bc]/.test(cue) && by_ms > 0));
  assert.equal(of("late").at(-1).cue, "c");
  assert.deepEqual(of("caption").map(({ text }) => text.replaceAll("\n", " ")), ["One 😀 two.", "Three four five.", "Six."]);
  for (const { text, offset } of [...context.words, ...of("caption").flatMap(({ words }) => words)]) assert.ok(context.text.startsWith(text, offset));
  client.close();
});

test("a channel is heard by all alike, wherever they join", LIMIT, async () => {
  const client = connected(SERVER, { audio: "pcm_s16le", pacing: { lead_ms: 200 } });
  const speaker = client.start({ channel: "node" });
  const speaking = all(speaker);
  speaker.push(TEXT.repeat(2));
  await client.connect();
  const early = client.subscribe("node", { captions: true });
  const heard = [];
  const reading = (async () => {
    for await (const event of early) heard.push(event);
  })();
  while (heard.filter(({ type }) => type === "words").length < 4) await new Promise((resolve) => setTimeout(resolve, 10));
  const late = client.subscribe("node", { back_ms: 300 });
  const after = [];
  const joining = (async () => {
    for await (const event of late) after.push(event);
  })();
  await assert.rejects(late.pause(), { code: "not_available" });
  assert.throws(() => late.push("x"), { code: "not_available" });
  while (after.filter(({ type }) => type === "audio").length < 20) await new Promise((resolve) => setTimeout(resolve, 10));
  await Promise.all([early.cancel(), late.cancel(), speaker.cancel()]);
  await Promise.all([reading, joining, speaking]);
  const packets = new Map(heard.flatMap((event) => (event.type === "audio" ? [[event.pts, Buffer.from(event.data)]] : [])));
  const joined = after.filter(({ type }) => type === "audio");
  assert.ok(joined[0].pts > 0);
  let same = 0;
  for (const { pts, data } of joined) if (packets.has(pts)) same += Number(packets.get(pts).equals(Buffer.from(data)));
  assert.ok(same >= 15 && same === joined.filter(({ pts }) => packets.has(pts)).length, `${same} of ${joined.length}`);
  await assert.rejects(all(client.subscribe("nobody")), { code: "not_found", param: "channel" });
  client.close();
});

test("cues outlive lost sockets, each heard once", { timeout: 20_000 + 1000 * DROPS }, async () => {
  let cuts = 0;
  for (let round = 1; cuts < DROPS / 2; round++) {
    const random = chance(round);
    const proxy = await proxied(SERVER.hostname, SERVER.port, () => 1500 + random() * 20_000);
    const client = connected(proxy.url, { environment: { random: () => random() / 10 } });
    const context = client.start({ input: "captions", cues: { max_late_ms: 60_000 }, audio: { codec: "pcm_s16le", sample_rate: 8000 }, pacing: { lead_ms: 30_000 } });
    const reading = all(context);
    const texts = Array.from({ length: 20 }, (_, at) => `Cue ${at} 😀.`);
    for (const [at, text] of texts.entries()) {
      context.cue({ text, start_ms: at * 400, end_ms: at * 400 + 300 });
      if (random() < 0.5) await new Promise((resolve) => setTimeout(resolve, 10));
    }
    context.end();
    const events = await reading;
    assert.equal(context.text, texts.join(" "), `round ${round}`);
    let next = 0;
    for (const { pts, duration } of events.filter(({ type }) => type === "audio")) {
      assert.equal(pts, next);
      next = pts + duration;
    }
    assert.equal(next, context.ending.samples);
    client.close();
    proxy.close();
    cuts += proxy.cuts;
    assert.ok(round < 60);
  }
});

test(`${DROPS} drops change nothing of what is heard`, { timeout: 20_000 + 2000 * DROPS }, async () => {
  const speak = async (client, random) => {
    const context = client.start({ cut: "none", seed: 3, audio: { codec: "opus", bit_rate: 48000 }, pacing: { lead_ms: 60_000 } });
    const reading = all(context);
    for (let sentence = 0; sentence < 12; sentence++) {
      for (const piece of TEXT.match(/.{1,7}/gsu)) {
        context.push(piece);
        if (random() < 0.3) await new Promise((resolve) => setTimeout(resolve, 2));
      }
      context.flush();
    }
    context.end();
    const events = await reading;
    delete events.at(-1).first_audio_ms;
    return events.map(({ context: _, stream, ...event }) => event);
  };
  const uncut = connected(SERVER);
  const expected = await speak(uncut, chance(0));
  uncut.close();
  let cuts = 0;
  for (let round = 1; cuts < DROPS; round++) {
    const random = chance(round);
    const proxy = await proxied(SERVER.hostname, SERVER.port, () => 1500 + random() * 30_000);
    const client = connected(proxy.url, { environment: { random: () => random() / 10 } });
    try {
      const events = await speak(client, random);
      assert.deepEqual(events, expected, `round ${round}`);
    } finally {
      client.close();
      proxy.close();
    }
    cuts += proxy.cuts;
    assert.ok(round <= DROPS, `${cuts} cuts`);
  }
});

/** A context that is paused now and then, held to all of its text and its clock. */
async function pausing(client, text, random) {
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, random() * ms));
  const context = client.start({ audio: { codec: "pcm_s16le", sample_rate: 8000 }, pacing: { lead_ms: 600 } });
  const packets = [];
  const reading = (async () => {
    for await (const event of context) if (event.type === "audio") packets.push(event);
  })();
  context.push(text);
  context.end();
  let pauses = 0;
  while (!context.over && pauses < 8) {
    await sleep(300);
    if (context.over) break;
    const sent = packets.length ? packets.at(-1).pts / 8 : 0;
    const { heard_text, unspoken_text } = await context.pause({ played_ms: sent * random() });
    if (context.over) break;
    pauses++;
    assert.equal(heard_text + unspoken_text, text);
    await sleep(50);
    await context.continue();
  }
  await reading;
  assert.equal(context.ending.reason, "end");
  let next = packets[0].pts;
  for (const { pts, duration } of packets) {
    assert.ok(pts >= next);
    next = pts + duration;
  }
  assert.equal(next, context.ending.samples);
  assert.deepEqual(context.words.map((word) => word.text), text.match(/[A-Za-z]+/g));
  assert.ok(context.words.every(({ start_ms }, at) => at === 0 || start_ms >= context.words[at - 1].end_ms));
  return pauses;
}

test("pauses over lost sockets keep the clock and every word", { timeout: 20_000 + 1000 * DROPS }, async () => {
  const text = TEXT.repeat(4);
  let [cuts, pauses] = [0, 0];
  for (let round = 1; cuts < DROPS / 2; round++) {
    const random = chance(round);
    const proxy = await proxied(SERVER.hostname, SERVER.port, () => 1500 + random() * 20_000);
    const client = connected(proxy.url, { environment: { random: () => random() / 10 } });
    try {
      pauses += await pausing(client, text, random);
    } finally {
      client.close();
      proxy.close();
    }
    cuts += proxy.cuts;
    assert.ok(round < 60);
  }
  assert.ok(pauses > 5, `${pauses} pauses`);
});
