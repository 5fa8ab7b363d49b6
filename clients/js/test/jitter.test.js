import assert from "node:assert/strict";
import { test } from "node:test";
import vm from "node:vm";
import { Clock, Jitter, source } from "../src/jitter.js";

const RATE = 48000, QUANTUM = 128, PACKET = 960;

/** A queue, its notices, and a loudspeaker that takes one quantum after the other. */
function made(prebufferMs = 60, rate = RATE) {
  const notices = [], clock = new Clock();
  const queue = new Jitter(rate, (notice) => {
    notices.push(notice);
    if (notice.type === "anchor") clock.add(notice);
  }, prebufferMs);
  const speaker = { frame: 0, heard: [] };
  const listen = (samples) => {
    const heard = [];
    for (let left = samples; left > 0; left -= QUANTUM) {
      const out = new Float32Array(QUANTUM);
      queue.read(out, speaker.frame);
      speaker.frame += QUANTUM;
      heard.push(...out);
    }
    for (const sample of heard) speaker.heard.push(sample);
    return heard;
  };
  const told = (type) => notices.filter((notice) => notice.type === type);
  return { queue, clock, listen, told, speaker };
}

/** Samples that say where they are: position / 1e6, never 0. */
const piece = (at, count = PACKET) => Float32Array.from({ length: count }, (_, i) => (at + i + 1) / 1e6);
const packets = (queue, id, from, until, joins = false) => {
  for (let at = from; at < until; at += PACKET) queue.push(id, at, piece(at), joins && at === from);
};
const sounding = (samples) => samples.filter((sample) => sample !== 0);
const exactly = (from, until) => [...piece(from, until - from)];

test("lead-in and tail are trimmed: exactly the sound is played", () => {
  const { queue, listen, told } = made();
  queue.open(1);
  for (let at = -312; at < 9600; at += PACKET) queue.push(1, at, piece(at));
  queue.end(1, 9000);
  assert.deepEqual(sounding(listen(12_000)), exactly(0, 9000));
  const [end] = told("end");
  assert.equal(end.samples, 9000);
  assert.equal(end.media, 9000);
});

test("nothing sounds before the prebuffer is full, and then at once", () => {
  const { queue, listen } = made(60);
  queue.open(1);
  packets(queue, 1, 0, 2 * PACKET);
  assert.equal(sounding(listen(4800)).length, 0);
  packets(queue, 1, 2 * PACKET, 3 * PACKET);
  assert.equal(sounding(listen(QUANTUM)).length, QUANTUM);
});

test("what ended plays, however short", () => {
  const { queue, listen } = made(60);
  queue.open(1);
  queue.push(1, 0, piece(0, 100));
  queue.end(1, 100);
  assert.deepEqual(sounding(listen(512)), exactly(0, 100));
});

test("an empty track ends by itself", () => {
  const { queue, listen, told } = made();
  queue.open(1);
  queue.end(1, 0);
  listen(QUANTUM);
  assert.equal(told("end").length, 1);
});

test("running dry is counted when sound comes late, and the prebuffer grows by 20 ms", () => {
  const { queue, listen, told } = made(60);
  queue.open(1);
  packets(queue, 1, 0, 3 * PACKET);
  listen(6000);
  assert.equal(told("underrun").length, 0, "it may have been the end");
  packets(queue, 1, 3 * PACKET, 6 * PACKET);
  assert.deepEqual(told("underrun").map(({ cause }) => cause), ["late"]);
  assert.equal(sounding(listen(QUANTUM * 10)).length, 0, "60 ms are no longer enough");
  packets(queue, 1, 6 * PACKET, 7 * PACKET);
  queue.end(1, 7 * PACKET);
  listen(6000);
  assert.equal(told("end")[0].samples, 7 * PACKET);
});

test("what is lost is lost: nothing is skipped or said twice after running dry", () => {
  const { queue, listen, speaker } = made(60);
  queue.open(1);
  for (let at = 0; at < 40 * PACKET; at += 4 * PACKET) {
    packets(queue, 1, at, at + 4 * PACKET);
    listen(9000);
  }
  queue.end(1, 40 * PACKET);
  listen(9000);
  assert.deepEqual(sounding(speaker.heard), exactly(0, 40 * PACKET));
});

test("a pause between segments is no underrun", () => {
  const { queue, listen, told } = made(60);
  queue.open(1);
  packets(queue, 1, 0, 3 * PACKET);
  listen(6000);
  packets(queue, 1, 3 * PACKET, 6 * PACKET, true);
  assert.equal(told("underrun").length, 0);
});

test("the prebuffer shrinks slowly where all goes well", () => {
  const { queue, listen } = made(60);
  queue.open(1);
  packets(queue, 1, 0, 3 * PACKET);
  listen(6000);
  packets(queue, 1, 3 * PACKET, 1100 * PACKET);
  assert.equal(queue.prebuffer, 3840);
  listen(1050 * PACKET);
  assert.equal(queue.prebuffer, 3840 - 240 * 2);
});

test("flush fades for 5 ms and is silent, and what comes late is dropped", () => {
  const { queue, listen, told } = made();
  queue.open(1);
  packets(queue, 1, 0, 20 * PACKET);
  listen(QUANTUM * 40);
  queue.flush(1);
  const heard = listen(QUANTUM * 20);
  assert.equal(sounding(heard).length, 240);
  assert.ok(heard[0] > heard[120] && heard[120] > heard[239], "it fades");
  packets(queue, 1, 20 * PACKET, 40 * PACKET);
  queue.end(1, 40 * PACKET);
  assert.equal(sounding(listen(QUANTUM * 20)).length, 0);
  assert.deepEqual(told("stopped").map(({ media, frame }) => [media, frame]), [[QUANTUM * 40 + 240, QUANTUM * 40 + 240]]);
  assert.equal(told("end").length, 0);
});

test("flush before anything sounded is acknowledged at once", () => {
  const { queue, told } = made();
  queue.open(1);
  queue.flush(1);
  assert.equal(told("stopped")[0].media, 0);
});

test("tracks follow each other without a gap", () => {
  const { queue, listen } = made(60);
  queue.open(1);
  queue.open(2);
  packets(queue, 2, 0, 5 * PACKET);
  packets(queue, 1, 0, 5 * PACKET);
  queue.end(1, 5 * PACKET - 17);
  queue.end(2, 5 * PACKET);
  const heard = listen(12 * PACKET), begin = heard.findIndex(Boolean);
  assert.deepEqual(heard.slice(begin, begin + 10 * PACKET - 17), [...exactly(0, 5 * PACKET - 17), ...exactly(0, 5 * PACKET)]);
});

test("a track that waits is flushed without a sound of the one that plays being lost", () => {
  const { queue, listen } = made(60);
  queue.open(1);
  queue.open(2);
  packets(queue, 1, 0, 5 * PACKET);
  packets(queue, 2, 0, 5 * PACKET);
  listen(QUANTUM);
  queue.flush(2);
  queue.end(1, 5 * PACKET);
  assert.equal(sounding(listen(12 * PACKET)).length, 5 * PACKET - QUANTUM);
});

test("after a pause it goes on where the server says, and what was queued is dropped", () => {
  const { queue, listen, clock, speaker } = made(60);
  queue.open(1);
  packets(queue, 1, 0, 10 * PACKET);
  listen(QUANTUM * 10);
  queue.hold(1);
  listen(QUANTUM * 10);
  const paused = clock.position(1, speaker.frame);
  assert.equal(paused, QUANTUM * 10 + 240);
  assert.equal(sounding(listen(QUANTUM * 100)).length, 0);
  assert.equal(clock.position(1, speaker.frame), paused, "the clock stands");
  queue.go(1, 10 * PACKET);
  queue.push(1, 9 * PACKET, piece(9 * PACKET)); // a late one
  packets(queue, 1, 10 * PACKET, 14 * PACKET);
  queue.end(1, 14 * PACKET);
  const heard = sounding(listen(6 * PACKET));
  assert.equal(heard.length, 4 * PACKET);
  assert.ok(heard[0] < heard[239], "it fades in");
  assert.deepEqual(heard.slice(240), exactly(10 * PACKET + 240, 14 * PACKET).map(Math.fround));
  assert.equal(clock.position(1, speaker.frame), 14 * PACKET);
});

test("after done it goes on from what was already played", () => {
  const { queue, listen, told } = made(60);
  queue.open(1);
  packets(queue, 1, 0, 30 * PACKET);
  queue.end(1, 30 * PACKET);
  listen(20 * PACKET);
  queue.hold(1);
  listen(2 * PACKET);
  queue.go(1, 12_345);
  const heard = sounding(listen(40 * PACKET));
  assert.equal(heard.length, 30 * PACKET - 12_345);
  assert.deepEqual(heard.slice(240), exactly(12_345 + 240, 30 * PACKET).map(Math.fround));
  assert.equal(told("end")[0].media, 30 * PACKET);
});

test("a hole in the positions is skipped, and the clock knows", () => {
  const { queue, listen, clock, speaker } = made(20);
  queue.open(1);
  packets(queue, 1, 0, 4 * PACKET);
  packets(queue, 1, 6 * PACKET, 8 * PACKET);
  queue.end(1, 8 * PACKET);
  assert.deepEqual(sounding(listen(10 * PACKET)), [...exactly(0, 4 * PACKET), ...exactly(6 * PACKET, 8 * PACKET)]);
  assert.equal(clock.position(1, 5 * PACKET), 7 * PACKET);
  assert.equal(clock.position(1, speaker.frame), 8 * PACKET);
});

test("a loudspeaker that jumped is seen, and anchored anew", () => {
  const { queue, listen, told, speaker } = made(20);
  queue.open(1);
  packets(queue, 1, 0, 10 * PACKET);
  listen(QUANTUM);
  speaker.frame += 5000;
  listen(QUANTUM);
  assert.deepEqual(told("anchor").map(({ media, frame, running }) => [media, frame, running]),
    [[0, 0, true], [128, 128, false], [128, 5128, true]]);
  assert.deepEqual(told("underrun").map(({ cause }) => cause), ["skipped"]);
  assert.equal(queue.prebuffer, queue.least, "more sound would not have helped");
});

test("the clock stands before the first sound, while dry, and at the end", () => {
  const { queue, listen, clock } = made(20);
  assert.equal(clock.position(1, 100), 0);
  queue.open(1);
  listen(1280);
  packets(queue, 1, 0, 1920);
  listen(12_800);
  assert.equal(clock.position(1, 1000), 0);
  assert.equal(clock.position(1, 1280 + 480), 480);
  assert.equal(clock.position(1, 9000), 1920);
});

/** The processor that the text of the Blob registers, the scope that it lives in, and what it posts. */
function worklet(prebufferMs) {
  const posted = [], registered = {};
  const scope = {
    sampleRate: RATE, currentFrame: 0, Math, Float32Array, Infinity,
    AudioWorkletProcessor: class {
      port = { postMessage: (notice) => posted.push(notice) };
    },
    registerProcessor: (name, made) => (registered[name] = made),
  };
  scope.globalThis = scope;
  vm.runInNewContext(source(), scope);
  return { processor: new registered["streamer-player"]({ processorOptions: { prebufferMs } }), scope, posted };
}

test("the text of the Blob is the same queue", () => {
  const { processor, scope, posted } = worklet(60);
  const { queue, listen } = made(60);
  queue.open(1);
  packets(queue, 1, -312, 9 * PACKET);
  queue.end(1, 8000);
  const say = (...data) => processor.port.onmessage({ data });
  say("open", 1);
  for (let at = -312; at < 9 * PACKET; at += PACKET) say("push", 1, at, piece(at), false);
  say("end", 1, 8000);
  const heard = [];
  for (; scope.currentFrame < 9600; scope.currentFrame += QUANTUM) {
    const out = new Float32Array(QUANTUM);
    assert.ok(processor.process([], [[out]]));
    heard.push(...out);
  }
  assert.deepEqual(heard, listen(9600));
  assert.equal(posted.at(-1).type === "end" || posted.some(({ type }) => type === "end"), true);
  say("close");
  assert.equal(processor.process([], [[new Float32Array(QUANTUM)]]), false);
});

test("a frame's number that is told late is no gap", () => {
  const { processor, scope, posted } = worklet(0);
  const say = (...data) => processor.port.onmessage({ data });
  const process = (frame) => {
    scope.currentFrame = frame;
    const out = new Float32Array(QUANTUM);
    processor.process([], [[out]]);
    return [...out];
  };
  say("open", 1);
  say("push", 1, 0, piece(0), false);
  const heard = [0, 0, 0, 384, 512].flatMap(process);
  assert.deepEqual(heard, exactly(0, 640));
  process(768);
  const anchors = posted.filter(({ type }) => type === "anchor").map(({ media, frame, running }) => [media, frame, running]);
  assert.deepEqual(anchors, [[0, 0, true], [640, 640, false], [640, 768, true]], "what was really left out is one");
  assert.equal(posted.filter(({ type }) => type === "underrun").length, 1);
});

test("whatever comes in whatever pieces, no sample is lost or doubled", () => {
  let seed = 7;
  const random = (n) => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % n;
  for (let round = 0; round < 100; round++) {
    const { queue, listen, told, speaker } = made(random(4) * 20);
    const total = 1 + random(20_000);
    queue.open(1);
    let at = -random(500);
    while (at < total) {
      const count = 1 + random(1500);
      queue.push(1, at, piece(at, count));
      at += count;
      if (random(3) === 0) listen(random(3000));
    }
    queue.end(1, total);
    listen(total + 40_000);
    // What lies beyond the end can't be told from sound before the end is known.
    const heard = sounding(speaker.heard);
    assert.deepEqual(heard.slice(0, total), exactly(0, total));
    assert.equal(told("end").length, 1);
  }
});
