// A server of `streamer.v1` in memory, for tests: it says every character of a text as one packet, every word as `words`,
// and can be resumed. Its sockets can be cut after any message, either way.

const HEADER_BYTES = 20;
/** As `openTimeout`: never. */
export const FOREVER = 1e9;

/** What is said the same way whatever the sockets do. */
class Spoken {
  constructor(session, id, stream) {
    Object.assign(this, { session, id, stream });
    this.text = [];
    this.word = null;
    this.ring = [];
    this.over = false;
    this.paused = null;
    this.pts = 0;
    this.spoken = new Map();
    this.ended = false;
  }

  say(message) {
    const sequence = this.ring.length;
    const wire = message instanceof Uint8Array
      ? packet(this.stream, sequence, this.pts++, message)
      : JSON.stringify({ ...message, context: this.id, sequence });
    this.ring.push(wire);
    this.over ||= ["done", "interrupted", "error"].includes(message.type);
    this.session.socket?.tell(wire);
  }

  take(characters) {
    for (const character of characters) {
      const at = this.text.push(character) - 1;
      if (/\s/.test(character)) this.close();
      else this.word ??= { offset: at, text: "" };
      if (this.word) this.word.text += character;
      this.say(new TextEncoder().encode(character));
    }
  }

  /** A cue: the input is all of them, joined by line feeds; the same again is nothing new. */
  cue({ id, text }) {
    if (this.spoken.get(id) === text) return;
    this.spoken.set(id, text);
    if (this.text.length) this.text.push("\n");
    const place = { index: this.spoken.size - 1, offset: this.text.length, start_ms: this.pts };
    this.say({ type: "segment", text, ...place, reason: "end", lost: false, cue: id, rate: 1 });
    this.take(Array.from(text));
    this.close();
  }

  close() {
    if (!this.word) return;
    const { offset, text } = this.word;
    this.word = null;
    const words = [{ text, start_ms: offset, end_ms: offset + Array.from(text).length, offset }];
    this.say({ type: "words", words, timing: "model", unit: "word" });
  }

  heard(type, played_ms = this.pts) {
    const text = this.text.join("");
    const heard = this.text.slice(0, played_ms).join("");
    return { type, heard_text: heard, heard_words: [], unspoken_text: text.slice(heard.length), played_ms, clock: "client" };
  }
}

function packet(stream, sequence, pts, data) {
  const message = new Uint8Array(HEADER_BYTES + data.length);
  const view = new DataView(message.buffer);
  view.setUint8(0, 1);
  view.setUint16(2, stream);
  view.setUint32(4, sequence);
  view.setBigInt64(8, BigInt(pts));
  view.setUint32(16, 1);
  message.set(data, HEADER_BYTES);
  return message.buffer;
}

/** What a browser calls a WebSocket, at the other end of which is a server in memory. Everything takes a turn. */
class Socket {
  binaryType = "blob";
  onopen = null;
  onmessage = null;
  onclose = null;
  onerror = null;
  alive = true;

  constructor(server, url, protocols) {
    Object.assign(this, { server, url, protocols });
    server.sockets.push(this);
    setImmediate(() => {
      if (!this.alive) return;
      if (server.refusing) return this.end(1006, "");
      this.onopen?.({});
      server.greet(this);
    });
  }

  /** From the client. */
  send(message) {
    if (typeof message !== "string") throw new TypeError("a client sends text messages only");
    setImmediate(() => {
      if (this.alive && !this.server.swallows()) this.server.hear(this, JSON.parse(message));
    });
  }

  /** To the client. */
  tell(message) {
    if (!this.alive || this.server.swallows()) return;
    const data = typeof message === "object" && !(message instanceof ArrayBuffer) ? JSON.stringify(message) : message;
    setImmediate(() => this.onmessage?.({ data })); // also what was told just before the end
  }

  close(code = 1005) {
    this.closedWith ??= code;
    this.server.left(this, true);
    this.end(code, "");
  }

  /** The connection is gone, and what was on its way up with it. */
  end(code, reason) {
    if (!this.alive) return;
    this.alive = false;
    this.server.left(this, false);
    setImmediate(() => this.onclose?.({ code, reason }));
  }
}

export class ScriptedServer {
  sockets = [];
  sessions = new Map();
  heard = [];
  refusing = false;
  drops = 0;
  #untilDrop = () => Infinity;
  #left = Infinity;

  constructor({ resumable = true, limits = {}, manual = false } = {}) {
    Object.assign(this, { resumable, limits, manual });
    const server = this;
    this.WebSocket = class extends Socket {
      constructor(url, protocols) {
        super(server, url, protocols);
      }
    };
  }

  get socket() {
    return this.sockets.at(-1);
  }

  /** Begin to cut sockets; `untilDrop` says after how many messages. */
  cut(untilDrop) {
    this.#untilDrop = untilDrop;
    this.#left = untilDrop();
  }

  swallows() {
    if (this.#left-- > 0) return false;
    this.#left = this.#untilDrop();
    this.drops++;
    this.socket.end(1006, "");
    return true;
  }

  greet(socket) {
    const resumable = this.resumable && new URL(socket.url).searchParams.get("resume") === "1";
    const id = `s${this.sockets.length}`;
    socket.session = { id, token: resumable ? `t-${id}` : "", contexts: new Map(), streams: 0, socket };
    this.sessions.set(id, socket.session);
    const { limits } = this;
    socket.tell({ type: "ready", session: id, token: socket.session.token, limits, request_id: `r-${id}` });
  }

  left(socket, meant) {
    if (!socket.session || socket.session.socket !== socket) return;
    socket.session.socket = null;
    if (meant || !socket.session.token) this.sessions.delete(socket.session.id);
  }

  /** All sessions are gone, as after a crash. */
  forget() {
    this.sessions.clear();
  }

  resume(socket, { session: id, token, received = {} }) {
    const old = this.sessions.get(id);
    const contexts = {};
    for (const name of Object.keys(received)) contexts[name] = { recovered: false, characters: 0 };
    if (old?.token !== token) return socket.tell({ type: "resumed", session: socket.session.id, contexts });
    this.sessions.delete(socket.session.id);
    old.socket?.end(4003, "");
    old.socket = socket;
    socket.session = old;
    for (const [name, context] of old.contexts) {
      if (context.over && received[name] === context.ring.length - 1) continue;
      contexts[name] = { recovered: true, characters: context.spoken.size ? 0 : context.text.length };
    }
    socket.tell({ type: "resumed", session: id, contexts });
    for (const name of Object.keys(contexts)) {
      const context = old.contexts.get(name);
      for (const message of context?.ring.slice((received[name] ?? -1) + 1) ?? []) socket.tell(message);
    }
  }

  hear(socket, message) {
    this.heard.push(message);
    if (this.manual && message.type !== "resume") return;
    const { session } = socket;
    if (message.type === "resume") return this.resume(socket, message);
    let context = session.contexts.get(message.context);
    if (!context || context.over) {
      const opens = ["start", "subscribe"].includes(message.type) || (message.type === "text" && !message.at);
      if (!opens) return this.unknown(socket, message);
      context = new Spoken(session, message.context, ++session.streams);
      session.contexts.set(message.context, context);
      const audio = { codec: "pcm_s16le", container: "none", sample_rate: 1000, channels: 1, bit_rate: null, frame_ms: 1, transport: "binary" };
      const rest = { mime: "audio/pcm", header: "", lead_in: 0, voice: "v", engine: "scripted", seed: 0, warnings: [] };
      context.say({ type: "started", audio, ...rest, stream: context.stream });
    }
    this.obey(context, message);
  }

  obey(context, { type, text, at, played_ms, id }) {
    const done = (reason) => ({
      type: "done", reason, samples: context.pts, audio_ms: context.pts, characters: context.text.length,
      first_audio_ms: 1, engine: "scripted", cost: null,
    });
    switch (type) {
      case "text": {
        if (at > context.text.length) {
          return context.say({ type: "error", code: "text_gap", message: "a hole", param: "at", retryable: false });
        }
        return context.take(Array.from(text).slice(context.text.length - (at ?? context.text.length)));
      }
      case "cue":
        return context.cue({ id, text });
      case "end":
        context.close();
        return context.say(done("end"));
      case "cancel":
        return context.say(done("cancelled"));
      case "interrupt":
        return context.say(context.heard("interrupted", played_ms));
      case "pause":
        context.paused ??= context.heard("paused", played_ms);
        return context.say(context.paused);
      case "continue":
        if (!context.paused) return;
        context.paused = null;
        return context.say({ type: "continued", at_ms: context.pts, offset: 0 });
    }
  }

  unknown(socket, { type, context }) {
    if (["played", "report", "start"].includes(type)) return;
    socket.tell({ type: "error", context, sequence: 0, code: "unknown_context", message: "no such context", param: "context", retryable: false });
  }
}

/** Chance that can be had again (mulberry32). */
export function chance(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** What is waited for comes at once, and no deadline does. */
export function quickTime() {
  return {
    now: () => 0,
    random: () => 1,
    setTimeout: (run, ms) => (ms >= FOREVER ? null : setImmediate(run)),
    clearTimeout: clearImmediate,
  };
}

/** Time that stands still until it is told to pass. */
export class StandingTime {
  time = 0;
  timers = new Set();
  now = () => this.time;
  random = () => 1;
  setTimeout = (run, ms) => {
    const timer = { run, at: this.time + ms };
    this.timers.add(timer);
    return timer;
  };
  clearTimeout = (timer) => this.timers.delete(timer);

  /** Runs what falls due, in order, each with all that follows from it. */
  async pass(ms) {
    const until = this.time + ms;
    for (;;) {
      await settled();
      const next = [...this.timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.timers.delete(next);
      this.time = next.at;
      next.run();
    }
    this.time = until;
  }
}

/** Everything that is on its way has arrived. */
export async function settled() {
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
}

export async function all(events) {
  const list = [];
  for await (const event of events) list.push(event);
  return list;
}
