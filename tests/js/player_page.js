// The cases that player_driver.mjs runs in a page: what the real player hands to the loudspeaker, sample for sample.
import { Player } from "/client/player.js";
import { StreamerClient, StreamerError } from "/client/streamer.js";

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(condition) {
  for (const end = performance.now() + 10_000; !condition(); await sleep(4)) if (performance.now() > end) throw new Error(`never: ${condition}`);
}

/** What the player's queue tells of itself, in order, by AudioContext. */
const notices = new WeakMap();

globalThis.AudioWorkletNode &&= class extends AudioWorkletNode {
  constructor(context, name, options) {
    super(context, name, options);
    if (name !== "streamer-player") return;
    if (!notices.has(context)) notices.set(context, []);
    this.port.addEventListener("message", ({ data }) => notices.get(context).push(data));
  }
};

/** What passes through it, from its first frame on. */
async function recorder(context) {
  const quanta = [];
  let node, frame, sounded;
  if (context.audioWorklet) {
    await context.audioWorklet.addModule("/recorder.js");
    node = new AudioWorkletNode(context, "recorder");
    node.port.onmessage = ({ data }) => {
      quanta.push(data);
      if (data[1].some(Boolean)) sounded?.(performance.now());
    };
  } else {
    node = context.createScriptProcessor(1024, 1, 1);
    node.onaudioprocess = ({ inputBuffer, outputBuffer, playbackTime }) => {
      const samples = inputBuffer.getChannelData(0).slice();
      outputBuffer.copyToChannel(samples, 0);
      frame ??= Math.round(playbackTime * context.sampleRate);
      quanta.push([frame, samples]);
      frame += samples.length;
    };
  }
  node.connect(context.destination);
  return {
    node,
    /** When the page was told of the first sample that is not silent. */
    first: () => new Promise((resolve) => (sounded = resolve)),
    quanta,
    /** {from: frame, samples}, quanta that were never rendered as silence. */
    take() {
      const from = quanta[0]?.[0] ?? 0, last = quanta.at(-1);
      const samples = new Float32Array(last ? last[0] + last[1].length - from : 0);
      for (const [frame, quantum] of quanta) samples.set(quantum, frame - from);
      return { from, samples };
    },
  };
}

/** The sound of a run: where it begins and ends on the context's clock, what it is. */
function trim({ from, samples }) {
  let begin = samples.findIndex(Boolean), end = samples.length;
  if (begin < 0) begin = end;
  while (end > begin && !samples[end - 1]) end--;
  return { frame: from + begin, samples: samples.slice(begin, end) };
}

const rms = (samples) => Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / (samples.length || 1));

/** A WebSocket of which the first is lost after so many messages. */
function dropping(after) {
  let left = after;
  return class extends WebSocket {
    constructor(...values) {
      super(...values);
      this.addEventListener("message", () => --left || this.close(4999));
    }
  };
}

/** A player, a meter at its output, and a log of what it says. */
async function setUp(url, { audio = {}, player: given = {}, client: clientOptions = {}, wasm = false, worklet = true, drop = 0 } = {}) {
  const options = wasm ? { ...given, wasm: () => import("opus-decoder") } : given;
  const context = new AudioContext({ sampleRate: 48000, ...audio });
  await context.resume();
  const meter = await recorder(context);
  if (!worklet) Object.defineProperty(context, "audioWorklet", { value: undefined });
  const client = new StreamerClient(url, { audio: Player.audio({ ...options, context }), ...(drop && { WebSocket: dropping(drop) }), ...clientOptions });
  const player = new Player(client, { ...options, context, destination: meter.node });
  const log = { words: [], segments: [], states: [], underruns: 0, causes: { late: 0, skipped: 0 }, ends: 0, events: [], packets: [], errors: [], last: {}, lost: 0 };
  const latency = () => context.outputLatency || context.baseLatency || 0;
  player.addEventListener("word", ({ detail: { word, index } }) => {
    log.words.push({ ...word, index, position: player.position, frame: (context.currentTime - latency()) * context.sampleRate });
  });
  player.addEventListener("segment", ({ detail }) => log.segments.push(detail.segment.text));
  player.addEventListener("state", ({ detail }) => detail.state === log.states.at(-1) || log.states.push(detail.state));
  player.addEventListener("underrun", ({ detail }) => {
    log.underruns++;
    log.causes[detail.cause]++;
  });
  player.addEventListener("end", ({ detail }) => {
    log.ends++;
    if (detail.error) log.errors.push({ code: detail.error.code, message: detail.error.message });
  });
  player.addEventListener("event", ({ detail: { event } }) => {
    log.events.push(event.type);
    if (event.type === "audio") log.packets.push(event);
    else log.last[event.type] = event;
  });
  client.addEventListener("lost", () => log.lost++);
  log.states.push(player.state);
  return { context, meter, client, player, log };
}

async function tearDown({ client, player, context }) {
  await player.close();
  await client.close();
  if (context.state !== "closed") await context.close();
}

function say(client, text, options) {
  const context = client.start(options);
  context.push(text);
  context.end();
  return context;
}

/** What the packets hold, by the decoder in WebAssembly or by their bytes: nothing of the player's. */
async function reference(packets, started, done) {
  const parts = [];
  if (started.audio.codec === "opus") {
    const { OpusDecoder } = await import("opus-decoder");
    const decoder = new OpusDecoder({ channels: 1, sampleRate: 48000 });
    await decoder.ready;
    for (const { data } of packets) if (data.length) parts.push(decoder.decodeFrame(data).channelData[0].slice());
    decoder.free();
  } else {
    for (const { data } of packets) {
      const shorts = new Int16Array(data.slice().buffer);
      parts.push(Float32Array.from(shorts, (sample) => sample / 32768));
    }
  }
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  // Opus is decoded to 48 kHz, whatever rate the samples of its packets are counted at.
  const ratio = started.audio.codec === "opus" ? 48000 / started.audio.sample_rate : 1;
  return all.slice(started.lead_in * ratio, (started.lead_in + done.samples) * ratio);
}

/**
 * Holds every sample that was recorded to what was sought, on the frames where the player says that it was. A machine that
 * is busy makes holes: frames that were never rendered, by the recorder either, and frames at which nothing was there to be
 * played. `gaps` are those of both kinds; `lost` samples lie in no place, or in one that was not rendered; `beyond` sound
 * where none was to be; `zero` is the frame of the first sample.
 */
function compare(quanta, anchors, sought) {
  const spans = [];
  let at = 0, lost = 0, gaps = 0, open = null;
  for (const { media, frame, running } of anchors) {
    if (open) {
      const length = frame - open.frame;
      lost += Math.abs(media - (open.media + length));
      if (length) spans.push({ ...open, length });
      at = media;
    }
    if (running) {
      lost += Math.abs(media - at);
      if (spans.length && frame > spans.at(-1).frame + spans.at(-1).length) gaps++;
    }
    open = running ? { media, frame } : null;
  }
  lost += Math.abs(sought.length - at) + (open ? Infinity : 0);
  let worst = 0, beyond = 0, heard = 0, span = 0;
  for (const [begin, samples] of quanta) {
    for (let i = 0; i < samples.length; i++) {
      const frame = begin + i;
      while (span < spans.length && frame >= spans[span].frame + spans[span].length) span++;
      const { frame: from = Infinity, media } = spans[span] ?? {};
      if (frame < from) beyond += samples[i] ? 1 : 0;
      else {
        heard++;
        worst = Math.max(worst, Math.abs(samples[i] - sought[media + frame - from]));
      }
    }
  }
  return { worst, beyond, gaps, lost: lost + sought.length - heard, zero: spans[0]?.frame };
}

/** Says a text to its end, and holds what was heard to what was sent. */
async function whole({ url, text, ...options }) {
  const set = await setUp(url, options);
  const { client, player, log, meter, context } = set;
  await player.play(say(client, text));
  await sleep(200);
  const anchors = (notices.get(context) ?? []).filter(({ type }) => type === "anchor");
  if (anchors.length) await until(() => meter.quanta.at(-1)[0] > anchors.at(-1).frame);
  const sound = trim(meter.take());
  const sought = await reference(log.packets, log.last.started, log.last.done);
  const { zero, ...compared } = compare(meter.quanta, anchors, sought);
  const answer = {
    mode: player.mode, reason: player.reason, states: log.states, samples: log.last.done.samples, sought: sought.length,
    rate: log.last.started.audio.sample_rate, ...compared, rms: rms(sound.samples.filter(Boolean)), rmsSought: rms(sought.filter(Boolean)), underruns: log.underruns, sockets: log.lost,
    words: log.words.map((word) => ({ ...word, late_ms: ((word.frame - zero) * 1000) / context.sampleRate - word.start_ms })),
    segments: log.segments, ends: log.ends, errors: log.errors, types: [...new Set(log.events)],
  };
  await tearDown(set);
  return answer;
}

/** Stops in the midst of it: how much still sounds, and what the server says was heard. */
async function stopped({ url, text, after, ...options }) {
  const set = await setUp(url, options);
  const { client, player, log, meter, context } = set;
  const playing = player.play(say(client, text));
  await until(() => log.words.length >= after);
  const frame = context.currentTime * context.sampleRate;
  const interrupted = await player.interrupt();
  await playing;
  await sleep(300);
  const sound = trim(meter.take());
  const end = sound.frame + sound.samples.length;
  const answer = {
    interrupted, words: log.words.map(({ text }) => text), ends: log.ends, state: player.state,
    sounded_ms: ((end - frame) * 1000) / context.sampleRate,
    heard_ms: (sound.samples.length * 1000) / context.sampleRate, step: largestStep(sound.samples.slice(-960)),
  };
  await tearDown(set);
  return answer;
}

function largestStep(samples) {
  let largest = 0;
  for (let i = 1; i < samples.length; i++) largest = Math.max(largest, Math.abs(samples[i] - samples[i - 1]));
  return Math.max(largest, Math.abs(samples.at(-1) ?? 0));
}

/** Pauses, and goes on when nothing sounds any more. */
async function pausedReally({ url, text, after, ...options }) {
  const set = await setUp(url, options);
  const { client, player, log, meter, context } = set;
  const playing = player.play(say(client, text));
  await until(() => log.words.length >= after);
  const frame = context.currentTime * context.sampleRate;
  const paused = await player.pause();
  await sleep(300);
  const sound = trim(meter.take()), state = player.state, position = player.position;
  const continued = await player.continue();
  await playing;
  await sleep(200);
  const all = trim(meter.take());
  const answer = {
    paused, continued, state, position, states: log.states, ends: log.ends, errors: log.errors, samples: log.last.done.samples, underruns: log.underruns,
    sounded_ms: ((sound.frame + sound.samples.length - frame) * 1000) / context.sampleRate,
    before_ms: (sound.samples.length * 1000) / context.sampleRate,
    rest_ms: (all.samples.subarray(sound.samples.length).filter(Boolean).length * 1000) / context.sampleRate,
    words: log.words,
  };
  await tearDown(set);
  return answer;
}

/** Two contexts, one behind the other. */
async function twice({ url, texts }) {
  const set = await setUp(url);
  const { client, player, log, meter } = set;
  await Promise.all(texts.map((text) => player.play(say(client, text))));
  await sleep(200);
  const { samples } = trim(meter.take());
  let quiet = 0, longest = 0;
  for (const sample of samples) {
    quiet = sample ? 0 : quiet + 1;
    longest = Math.max(longest, quiet);
  }
  const answer = { ends: log.ends, words: log.words.map(({ text }) => text), longest, samples: samples.length, underruns: log.underruns };
  await tearDown(set);
  return answer;
}

/** Plays nothing until it is allowed to, and stands still while it is not. */
async function locked({ url, text }) {
  const context = new AudioContext({ sampleRate: 48000 });
  await context.suspend();
  const client = new StreamerClient(url, { audio: Player.audio() });
  const player = new Player(client, { context });
  const states = [player.state], words = [];
  player.addEventListener("state", ({ detail }) => states.push(detail.state));
  player.addEventListener("word", ({ detail }) => words.push(detail.word.text));
  // What has no sound waits for no loudspeaker.
  const unknown = await player.play(say(client, text, { voice: "nobody" })).then(() => null, (error) => error.code);
  states.length = 1;
  const playing = player.play(say(client, text));
  await sleep(500);
  const before = { position: player.position, words: words.length };
  await player.unlock();
  await until(() => words.length >= 2);
  await context.suspend();
  await sleep(100);
  const paused = { position: player.position, words: words.length };
  await sleep(400);
  const still = { position: player.position, words: words.length };
  await player.unlock();
  await playing;
  const answer = { unknown, states, before, paused, still, words };
  await player.close();
  await client.close();
  answer.closed = player.state;
  return answer;
}

/** A scripted context: a player needs no more of one than this. */
class Scripted {
  started = null;
  over = false;
  reports = [];
  asked = [];
  #script;
  constructor(script) {
    this.#script = script;
  }
  async *[Symbol.asyncIterator]() {
    yield* this.#script(this);
    this.over = true;
  }
  async pause(options) {
    this.asked.push(["pause", options]);
    return { type: "paused", sequence: this.over ? -1 : 1, played_ms: options.played_ms };
  }
  async continue() {
    this.asked.push(["continue"]);
    if (this.over) return { type: "continued", sequence: -1, at_ms: 0 };
    return new Promise((resolve) => (this.continued = resolve));
  }
  async interrupt(options) {
    this.asked.push(["interrupt", options]);
    this.over = true;
    return { type: "interrupted", ...options };
  }
  async cancel() {
    this.over = true;
    this.asked.push(["cancel"]);
  }
  report(figures) {
    this.reports.push(figures);
  }
}

const started = (codec = "pcm_s16le") => ({ type: "started", sequence: 0, audio: { codec, container: "none", sample_rate: 48000, channels: 1 }, lead_in: 0 });

/** Packets of 20 ms of a ramp that says where it is. */
function packet(pts, level = 0.25, flags = 0) {
  const samples = Int16Array.from({ length: 960 }, (_, i) => Math.round(level * 32767 * Math.sin((2 * Math.PI * 440 * (pts + i)) / 48000)) || 1);
  return { type: "audio", pts, duration: 960, flags, data: new Uint8Array(samples.buffer) };
}

const word = (index) => ({ text: `w${index}`, start_ms: index * 300, end_ms: index * 300 + 240, offset: index * 3 });

async function scripted(script, run) {
  const set = await setUp("http://127.0.0.1:1");
  const answer = await run({ ...set, make: () => new Scripted(script) });
  answer.errors = set.log.errors;
  answer.states = set.log.states;
  await tearDown(set);
  return answer;
}

/** Pauses after `done`, so that there is no server to ask, and goes on from the word. */
async function pausedLocally() {
  return scripted(
    async function* () {
      yield started();
      yield { type: "words", words: [0, 1, 2, 3, 4].map(word) };
      for (let i = 0; i < 75; i++) yield packet(i * 960, 0.25, i === 74 ? 2 : 0);
      yield { type: "done", reason: "end", samples: 72_000, audio_ms: 1500 };
    },
    async ({ player, log, meter, make }) => {
      const context = make(), playing = player.play(context);
      await until(() => log.words.length >= 3);
      const paused = await player.pause();
      const state = player.state, { samples: before } = trim(meter.take());
      await sleep(300);
      const { samples: after } = trim(meter.take());
      const continued = await player.continue();
      await playing;
      await sleep(200);
      const all = trim(meter.take()).samples;
      return {
        paused, continued, state, asked: context.asked, grown: after.length - before.length, words: log.words.map(({ text }) => text),
        // Quanta that were never rendered are in neither.
        sounded: all.filter(Boolean).length, reports: context.reports, before: after.filter(Boolean).length,
      };
    },
  );
}

/** Pauses while the server still speaks: goes on where it says, and says the words again that were not heard. */
async function pausedRemotely() {
  return scripted(
    async function* (context) {
      yield started();
      yield { type: "words", words: [0, 1, 2].map(word) };
      for (let i = 0; i < 40; i++) yield packet(i * 960);
      await until(() => context.continued);
      const continued = { type: "continued", sequence: 5, at_ms: 800, offset: 3 };
      context.continued(continued);
      yield continued;
      yield { type: "words", words: [{ ...word(2), start_ms: 800, end_ms: 1040 }] };
      for (let i = 40; i < 60; i++) yield packet(i * 960, 0.25, i === 59 ? 2 : 0);
      yield { type: "done", reason: "end", samples: 57_600, audio_ms: 1200 };
    },
    async ({ player, log, meter, make }) => {
      const context = make(), playing = player.play(context);
      await until(() => log.words.length >= 2);
      const paused = await player.pause();
      await sleep(100);
      const position = player.position;
      await player.continue();
      await playing;
      await sleep(200);
      const { samples } = trim(meter.take());
      return { paused, position, asked: context.asked, words: log.words.map(({ text, start_ms }) => [text, start_ms]), sounded: samples.filter(Boolean).length, end: player.position };
    },
  );
}

/** What can't be decoded is an error, after what could be. */
async function broken({ codec }) {
  return scripted(
    async function* () {
      yield started(codec === "opus" ? "opus" : "pcm_s16le");
      if (codec !== "opus") for (let i = 0; i < 10; i++) yield packet(i * 960);
      for (let i = 0; i < 20; i++) yield { type: "audio", pts: 9600 + i * 960, duration: 960, flags: 0, data: new Uint8Array([255, 255, 255]) };
      await sleep(300);
      yield { type: "done", reason: "end", samples: 30_000, audio_ms: 625 };
    },
    async ({ player, meter, make }) => {
      const context = make();
      const caught = await player.play(context).then(() => null, (error) => ({ code: error.code, name: error.constructor.name }));
      await sleep(200);
      return { caught, asked: context.asked, sounded: trim(meter.take()).samples.filter(Boolean).length, state: player.state };
    },
  );
}

/** A codec that no player plays. */
async function unplayable() {
  return scripted(
    async function* () {
      yield started("mp3");
    },
    async ({ player, make }) => {
      const caught = await player.play(make()).then(() => null, ({ code, param }) => ({ code, param }));
      return { caught, state: player.state };
    },
  );
}

/** The worklet breaks while it plays: that is told, and what comes next is played by another. */
async function breaks(make) {
  const nodes = [], Real = AudioWorkletNode;
  globalThis.AudioWorkletNode = class extends Real {
    constructor(...values) {
      super(...values);
      nodes.push(this);
    }
  };
  const player = new Player(null);
  const playing = player.play(make()).then(() => null, (error) => error.code);
  await until(() => player.position > 100);
  // What is no sample can't be played.
  for (const message of [["open", 50], ["push", 50, 0, new BigInt64Array(9600)], ["flush", 1]]) nodes[0].port.postMessage(message);
  const code = await playing;
  await player.play(make());
  const answer = { code, nodes: nodes.length, heard: player.position };
  await player.close();
  globalThis.AudioWorkletNode = Real;
  return answer;
}

/** Endings that are none of the player's doing, and what can't be done. */
async function tidy() {
  const sound = function* (count) {
    yield started();
    for (let i = 0; i < count; i++) yield packet(i * 960);
  };
  const set = await setUp("http://127.0.0.1:1");
  const { player, meter, log } = set;
  const ends = async (event) => {
    const context = new Scripted(async function* () {
      yield* sound(100);
      await sleep(200);
      yield event;
    });
    await player.play(context);
    await sleep(60);
    const before = trim(meter.take()).samples.length;
    await sleep(200);
    return { state: player.state, silent: trim(meter.take()).samples.length === before };
  };
  const answer = {
    interrupted: await ends({ type: "interrupted" }),
    cancelled: await ends({ type: "done", reason: "cancelled", samples: 1 }),
  };
  const before = trim(meter.take()), end = before.frame + before.samples.length;
  const lost = new Scripted(async function* () {
    yield* sound(10);
    throw new StreamerError("context_lost", "it is gone");
  });
  const code = await player.play(lost).then(() => null, (error) => error.code);
  await sleep(200);
  const { from, samples } = meter.take();
  answer.lost = { code, sounded: samples.slice(end - from).filter(Boolean).length };
  answer.nothing = [];
  for (const act of ["interrupt", "pause", "continue"]) await player[act]().catch((error) => answer.nothing.push(error.code));
  const early = new Player(null), waiting = early.play(new Scripted(() => sound(10)));
  const paused = await early.pause();
  await sleep(300);
  answer.early = { played_ms: paused.played_ms, state: early.state, position: early.position };
  const loudspeaker = early.context;
  await loudspeaker.suspend();
  await until(() => early.state === "interrupted");
  document.dispatchEvent(new Event("visibilitychange"));
  await until(() => early.state === "paused");
  // What iOS says during a call.
  Object.defineProperty(loudspeaker, "state", { get: () => "interrupted", configurable: true });
  loudspeaker.dispatchEvent(new Event("statechange"));
  answer.call = early.state;
  delete loudspeaker.state;
  await early.unlock();
  answer.back = early.state;
  await Promise.all([early.continue(), early.pause()]);
  answer.hasty = [early.state];
  await Promise.all([early.continue(), early.pause(), early.continue()]);
  answer.hasty.push(early.state);
  await early.interrupt({ signal: AbortSignal.abort() }).catch(({ name }) => answer.hasty.push(name, early.state));
  await early.interrupt();
  await waiting;
  await early.close();
  answer.broke = await breaks(() => new Scripted(() => sound(60)));
  const unheard = player.play(new Scripted(() => sound(10)));
  await player.close();
  await unheard;
  answer.late = await player.play(new Scripted(() => sound(1))).then(() => null, (error) => error.code);
  answer.states = log.states;
  await tearDown(set);
  return answer;
}

/**
 * From the first packet's message to the first sample rendered, by the sound's clock and by the wall's (until the page
 * has been told of it); from `interrupt` to silence; how late words are; how often it ran dry.
 */
async function latency({ url, text, runs, after, ...options }) {
  const told = { first: [], wall: [], silent: [], words: [], late: 0, skipped: 0, packets: 0 };
  for (let run = 0; run < runs; run++) {
    const set = await setUp(url, options);
    const { client, player, log, meter, context } = set;
    await client.connect();
    await sleep(200);
    let frame = 0, moment = 0;
    player.addEventListener("event", ({ detail }) => {
      if (detail.event.type !== "audio" || frame) return;
      frame = context.currentTime * context.sampleRate;
      moment = performance.now();
    });
    const heard = meter.first();
    const playing = player.play(say(client, text));
    told.wall.push((await heard) - moment);
    await until(() => log.words.length >= after);
    const stop = context.currentTime * context.sampleRate;
    await player.interrupt();
    await playing;
    await sleep(200);
    const sound = trim(meter.take());
    const ms = (frames) => (frames * 1000) / context.sampleRate;
    told.first.push(ms(sound.frame - frame));
    told.silent.push(ms(sound.frame + sound.samples.length - stop));
    told.words.push(...log.words.map(({ position, start_ms }) => position - start_ms));
    told.late += log.causes.late;
    told.skipped += log.causes.skipped;
    told.packets += log.packets.length;
    told.output_ms = 1000 * (context.outputLatency || context.baseLatency);
    await tearDown(set);
  }
  return told;
}

/** A channel that one speaks on, joined when it has gone on for a while, and heard to its end. */
async function tuned({ url, text, after, audio }) {
  const speaker = new StreamerClient(url, { audio: "pcm_s16le" });
  const spoken = say(speaker, text, { channel: `tuned-${audio ? "pcm" : "opus"}` });
  const all = [];
  let sent = 0;
  const speaking = (async () => {
    for await (const event of spoken) {
      if (event.type === "words") all.push(...event.words.map((word) => word.text));
      if (event.type === "audio") sent = event.pts / spoken.started.audio.sample_rate;
    }
  })();
  await until(() => sent > after);
  const set = await setUp(url, { client: audio ? { audio } : {} });
  const { client, player, log, context } = set;
  const listening = client.subscribe(spoken.start.channel);
  const heard = player.play(listening);
  await until(() => log.words.length > 1);
  const refused = await player.pause().catch((error) => error.code);
  const playing = player.state;
  await heard;
  await speaking;
  const rate = log.last.started.audio.sample_rate;
  const first = log.packets[0];
  const answer = {
    first_ms: (first.pts * 1000) / rate, words: log.words, all, refused, playing, states: log.states, errors: log.errors,
    quoted: listening.words.every(({ text: word, offset }) => listening.text.startsWith(word, offset)),
    told: notices.get(context).findLast(({ type }) => type === "end"),
    sought: ((log.last.done.samples - first.pts) * 48000) / rate, end: (log.last.done.samples * 48000) / rate,
  };
  await speaker.close();
  await tearDown(set);
  return answer;
}

export const cases = { tuned, whole, stopped, pausedReally, twice, locked, pausedLocally, pausedRemotely, broken, unplayable, tidy, latency };
