// The types of streamer-client, by hand. Fields of the wire keep the wire's names (docs/protocol.md of Streamer);
// what is this client's own is in camelCase. Offsets into text are indices of JavaScript strings (UTF-16), and
// `codepoint` beside them is what the wire said.

// Errors

/** What a server may say, what only client (`context_lost`, `connection_failed`, `closed`) and player say, and what newer servers will. */
export type ErrorCode =
  | "invalid_message" | "unknown_parameter" | "invalid_parameter" | "unsupported_parameter" | "unknown_voice"
  | "language_not_supported" | "context_conflict" | "unknown_context" | "text_gap" | "text_limit" | "message_limit"
  | "not_found" | "method_not_allowed" | "not_available" | "unauthenticated" | "key_revoked" | "token_expired"
  | "scope_missing" | "origin_not_allowed" | "rate_limited" | "context_limit" | "connection_limit" | "budget_spent"
  | "invalid_captions" | "channel_limit" | "engine_failed" | "stalled_reader" | "idle_timeout" | "draining" | "internal_error"
  | "context_lost" | "connection_failed" | "closed" | "playback_failed"
  | (string & {});

export interface ErrorFields {
  param?: string | null;
  retryable?: boolean;
  details?: Record<string, unknown>;
  context?: string | null;
  requestId?: string | null;
  cause?: unknown;
}

/** The one class of errors; `code` tells them apart. */
export class StreamerError extends Error {
  constructor(code: ErrorCode, message: string, fields?: ErrorFields);
  readonly code: ErrorCode;
  /** The parameter at fault, such as `audio.codec`. */
  readonly param: string | null;
  /** May the same thing go well later? */
  readonly retryable: boolean;
  /** What else the error says: `offset`, `expected`, `candidates`, `limit`, `retry_after_s` … */
  readonly details: Record<string, unknown>;
  /** The context that ended by it; null: the connection. */
  readonly context: string | null;
  /** Finds it in the server's log. */
  readonly requestId: string | null;
}

// What is said

export interface AudioOptions {
  codec?: "opus" | "mp3" | "aac" | "flac" | "pcm_s16le" | "pcm_f32le" | "pcm_mulaw" | "pcm_alaw" | (string & {});
  container?: "none" | "ogg" | "adts" | "mp3" | "flac" | "wav" | (string & {});
  sample_rate?: number;
  channels?: 1 | 2;
  bit_rate?: number;
  frame_ms?: number;
  /** `none`: with `channel` alone, where others listen. */
  transport?: "binary" | "json" | "none";
}

/** How to speak: may change with every text. */
export interface SpeechOptions {
  voice?: string;
  model?: string;
  language?: string;
  instructions?: string;
  speed?: number;
  pitch?: number;
  volume?: number;
  seed?: number;
}

/** Options of a context, as in the wire's `start`. */
export interface ContextOptions extends SpeechOptions {
  /** A codec's name, or all of it. */
  audio?: string | AudioOptions;
  timestamps?: "none" | "segment" | "word" | "char";
  pacing?: { lead_ms?: number };
  cut?: "auto" | "sentence" | "clause" | "none";
  lexicon?: Record<string, string>;
  strict?: boolean;
  trace?: boolean;
  /** `captions`: text is WebVTT or SRT, and cues are taken. */
  input?: "text" | "captions";
  cues?: CueOptions;
  /** What is spoken is told as captions too. */
  captions?: boolean;
  /** Publish it under this name: 1 to 64 of A-Z, a-z, 0-9, `.`, `_` and `-`. */
  channel?: string;
}

export interface StartOptions extends ContextOptions {
  /** Aborting cancels the context. */
  signal?: AbortSignal;
}

/** Of a channel's listener; `signal` cancels as that of any context. */
export interface SubscribeOptions {
  /** A codec's name, or all of it. */
  audio?: string | AudioOptions;
  timestamps?: "none" | "segment" | "word" | "char";
  /** Have `caption` events too. */
  captions?: boolean;
  /** Begin so long ago, as far as that is kept: 0 to 300 000. Default 0: live. */
  back_ms?: number;
  signal?: AbortSignal;
}

/** How cues are spoken in time. */
export interface CueOptions {
  /** The caption time at which the sound begins, or `first`: that of the first cue. Default 0. */
  origin_ms?: number | "first";
  /** The sound is heard so much later than the captions' clock says. Default 0. */
  delay_ms?: number;
  /** A cue that is too long for its slot is hurried by so much at most, 1 to 2. Default 1.35. */
  max_rate?: number;
  /** A cue whose time comes while the one before is still spoken: begins later, is said with others in one breath, or is left out. Default `late`. */
  overrun?: "late" | "merge" | "skip";
  /** A cue that would be later than this is skipped, 0 to 60 000. Default 3000. */
  max_late_ms?: number;
  /** Cues whose times overlap: one after the other, or at once. Default `queue`. */
  overlap?: "queue" | "mix";
  /** The voices of names in the captions (`<v Name>`, `NAME:`). */
  speakers?: Record<string, string>;
  /** Descriptions of sounds, "[music]" say. Default `skip`. */
  descriptions?: "skip" | "speak";
}

export interface Cue {
  /** Without `start_ms` it is spoken when it comes. */
  text: string;
  start_ms?: number;
  end_ms?: number;
  /** The same again extends or corrects a cue that is not spoken. Left out: this client makes one. */
  id?: string;
  /** A voice, or a name of `cues.speakers`. */
  voice?: string;
}

export interface PushOptions extends SpeechOptions {
  /** A name to be told when the sound of this text's first character comes. */
  mark?: string;
}

export interface StopOptions {
  /** How far the listener has played, on the context's sound clock. */
  played_ms?: number;
  /** Aborting gives up waiting for the answer. */
  signal?: AbortSignal;
}

export interface Figures {
  first_sound_ms?: number;
  underruns?: number;
  drift_ppm?: number;
  network_ms?: number;
}

// What is heard

export interface Ready {
  type: "ready";
  session: string;
  token: string;
  limits: Record<string, number>;
  request_id: string;
}

/** `sequence` counts a context's messages from 0; -1: this client answered by itself. */
interface OfContext {
  context: string;
  sequence: number;
}

export interface Started extends OfContext {
  type: "started";
  /** The format really used. */
  audio: {
    codec: string;
    container: string;
    sample_rate: number;
    channels: number;
    bit_rate: number | null;
    frame_ms: number | null;
    transport: "binary" | "json" | "none";
  };
  mime: string;
  /** What a decoder wants first, OpusHead say. */
  header: Uint8Array<ArrayBuffer>;
  /** Samples that a decoder which was told nothing makes before the sound begins. */
  lead_in: number;
  voice: string;
  engine: string;
  stream: number;
  seed: number;
  warnings: string[];
}

export interface Segment extends OfContext {
  type: "segment";
  index: number;
  text: string;
  /** The id of the voice that speaks it. */
  voice: string;
  offset: number;
  codepoint: number;
  start_ms: number;
  reason: "sentence" | "clause" | "length" | "timer" | "flush" | "end" | "options" | "language" | (string & {});
  lost: boolean;
  /** Of captions: the cue that it is of, and how much that is hurried to fit. */
  cue: string | null;
  rate: number;
  /** Of live captions that have caught up: what they have at a time is heard so much earlier. */
  shift_ms?: number;
  trace?: { received_ms: number; cut_ms: number; synthesized_ms: number; encoded_ms: number };
}

export interface Word {
  text: string;
  start_ms: number;
  end_ms: number;
  offset: number;
  codepoint: number;
}

export interface Words extends OfContext {
  type: "words";
  words: Word[];
  timing: "model" | "aligned" | "estimated" | (string & {});
  unit: "word" | "char" | (string & {});
}

/** One packet, whichever way it travelled. */
export interface Audio extends OfContext {
  type: "audio";
  /** In samples at `started.audio.sample_rate`; a codec's lead-in is negative. */
  pts: number;
  duration: number;
  /** 1: first of a segment; 2: last of the context; 4: sound is missing before it. */
  flags: number;
  data: Uint8Array<ArrayBuffer>;
}

/** A cue begins later than its time: comes before its sound. */
export interface Late extends OfContext {
  type: "late";
  cue: string;
  by_ms: number;
  rate: number;
  /** It is said in one breath with this cue. */
  into: string | null;
}

/** A cue is not spoken. */
export interface Skipped extends OfContext {
  type: "skipped";
  cue: string;
  /** Too late; a description of a sound; says again what was said; nothing to say; unreadable, or impossible times; corrects what was spoken. */
  reason: "late" | "description" | "repeat" | "empty" | "invalid" | "spoken" | (string & {});
}

/** What is spoken from `start_ms` to `end_ms`, in one or two lines. */
export interface Caption extends OfContext {
  type: "caption";
  index: number;
  text: string;
  start_ms: number;
  end_ms: number;
  words: Word[];
  cue: string | null;
}

export interface Mark extends OfContext {
  type: "mark";
  mark: string;
  at_ms: number;
}

interface Heard extends OfContext {
  heard_text: string;
  heard_words: Word[];
  unspoken_text: string;
  played_ms: number;
  clock: "client" | "server" | (string & {});
}

export interface Paused extends Heard {
  type: "paused";
}

export interface Interrupted extends Heard {
  type: "interrupted";
}

/** Where the sound goes on. Words, segments and marks that end after `paused.played_ms` come again. */
export interface Continued extends OfContext {
  type: "continued";
  at_ms: number;
  /** Of the first character that is said again. */
  offset: number;
  codepoint: number;
}

export interface Done extends OfContext {
  type: "done";
  reason: "end" | "cancelled" | "idle" | "drained" | (string & {});
  samples: number;
  audio_ms: number;
  /** Code points spoken, and charged for. */
  characters: number;
  first_audio_ms: number | null;
  engine: string;
  cost: number | null;
}

export type ContextEvent =
  | Started | Segment | Words | Audio | Mark | Late | Skipped | Caption | Paused | Continued | Interrupted | Done;

// The client

/**
 * One utterance. Iterate it for its events, once: the last is `done` or `interrupted`, an error is thrown. Leaving
 * the loop before that cancels the context. Text is sent as it is pushed, or as soon as there is a connection.
 */
export interface Context extends AsyncIterable<ContextEvent> {
  readonly id: string;
  /** The format really used, once the server has said it. */
  readonly started: Started | null;
  /** How it ended; null while it has not, or when it failed. */
  readonly ending: Done | Interrupted | null;
  /** What it failed with. */
  readonly error: unknown;
  /** Has it ended, in whatever way? */
  readonly over: boolean;
  /** When its first text was pushed, by `performance.now()`. */
  readonly since: number | null;
  /**
   * All text pushed so far. Of captions and of a channel: what segments have quoted so far, each at its offset, with
   * blanks between; so that offsets are indices into it in any case.
   */
  readonly text: string;
  /** Words told so far, where they now are on the sound clock; of captions and of a channel the last 20 000. */
  readonly words: readonly Word[];
  /** Not captions, nor what is published, nor a channel: their clock does not stand still. */
  readonly pausable: boolean;

  /**
   * The next piece of text; it may end anywhere. Throws what the context failed with, `context_conflict` once it has ended,
   * `text_limit` while there is no socket and too much waits for one (`bufferBytes`): then nothing of it was taken.
   */
  push(text: string, options?: PushOptions): void;
  /** A cue of a context started with `input: "captions"`; returns its id. Throws as `push` does. */
  cue(cue: Cue): string;
  /** Speak what is buffered now. */
  flush(): void;
  /** No more text. */
  end(): void;

  /**
   * Barge-in: stop now, and say what was heard. What waits to be read is dropped. After `done` this client works
   * it out itself, by `played_ms`, else by the last `played`, else as if all had been heard.
   */
  interrupt(options?: StopOptions): Promise<Interrupted>;
  /**
   * Stop at once and keep everything. What waits to be read and was not heard is dropped: it comes again. After `done`
   * answered as `interrupt` is. Rejects with `not_available` where it is not `pausable`.
   */
  pause(options?: StopOptions): Promise<Paused>;
  /**
   * Go on from the first word not heard; `context_conflict` where there was no `pause`. After `done` nothing more comes: then
   * `sequence` is -1, and who plays plays on.
   */
  continue(options?: { signal?: AbortSignal }): Promise<Continued>;
  /** Stop and forget. */
  cancel(options?: { signal?: AbortSignal }): Promise<void>;

  /** How far the listener has played, for a later `interrupt` without `played_ms`. */
  played(played_ms: number): void;
  /** The listener's figures, once, after the end. */
  report(figures: Figures): void;

  [Symbol.asyncIterator](): AsyncIterableIterator<ContextEvent>;
}

export type ClientState = "idle" | "connecting" | "open" | "reconnecting" | "closed";

export interface ClientOptions extends ContextOptions {
  /** A key or a token, or what gets a new one for every connection. It is sent in the handshake, never in a URL. */
  key?: string | (() => string | Promise<string>);
  /** Go on over a new socket when one is lost. Default true. */
  resume?: boolean;
  /** Aborting closes the client. */
  signal?: AbortSignal;
  /** A class like the browser's. Default: the global one, else (node 20) one of this package. */
  WebSocket?: WebSocketClass;
  /**
   * How much of one context may wait to be read: a reader further behind loses it, with `stalled_reader`. And how many characters
   * of all of them may wait to be sent while there is no socket. Default 8 MiB.
   */
  bufferBytes?: number;
  /** Milliseconds until a connection counts as failed. Default 10 000. */
  openTimeout?: number;
  /** For tests: time and chance. */
  environment?: Partial<Environment>;
}

export interface WebSocketClass {
  new (url: string, protocols: string[]): WebSocketLike;
}

/** The part of a WebSocket that is used. */
export interface WebSocketLike {
  binaryType: string;
  send(message: string): void;
  close(code?: number, reason?: string): void;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
}

export interface Environment {
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(timer: any): void;
  /** Milliseconds, steady. */
  now(): number;
  random(): number;
  fetch: typeof fetch;
}

export interface ClientEvents {
  /** `error`: why, where something went wrong. */
  state: CustomEvent<{ state: ClientState; error: unknown }>;
  /** The socket is lost and a new one is being opened; what has arrived plays on. */
  lost: CustomEvent<{ code: number; reason: string }>;
  /** A new socket took over; `contexts`: was it recovered? Those that were not fail with `context_lost`. */
  recovered: CustomEvent<{ contexts: Record<string, boolean> }>;
}

/** A connection, made when first needed, and its contexts, which speak side by side. */
export class StreamerClient extends EventTarget implements AsyncIterable<ContextEvent> {
  /**
   * `url`: ws, wss, http or https, in a page also relative to it; without a path `/v1/stream`. Other options are those of every
   * context. Throws `invalid_parameter` for a `url` or `key` that can be none; a `key` that is a function fails the connection.
   */
  constructor(url: string | URL, options?: ClientOptions);
  readonly state: ClientState;
  /** What the server greeted with, last. */
  readonly ready: Ready | null;

  /** Connect now. Rejects with what the server has against it. */
  connect(options?: { signal?: AbortSignal }): Promise<Ready>;
  /** A new context. */
  start(options?: StartOptions): Context;
  /** Listen to a channel, as a context that is only read: `push`, `cue`, `flush`, `end` throw `not_available`. */
  subscribe(channel: string, options?: SubscribeOptions): Context;
  /** End it all: contexts still open fail with `closed`. Never rejects. */
  close(): Promise<void>;

  // The short form: of the current context, begun by the first of these, and anew when that has ended or was told `end`.

  /** The current context; begun if there is none. */
  readonly current: Context;
  push(text: string, options?: PushOptions): void;
  flush(): void;
  end(): void;
  interrupt(options?: StopOptions): Promise<Interrupted>;
  pause(options?: StopOptions): Promise<Paused>;
  continue(options?: { signal?: AbortSignal }): Promise<Continued>;
  cancel(options?: { signal?: AbortSignal }): Promise<void>;
  /** The events of the current context. */
  [Symbol.asyncIterator](): AsyncIterableIterator<ContextEvent>;

  addEventListener<K extends keyof ClientEvents>(
    type: K, listener: (event: ClientEvents[K]) => void, options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void;
}

// The player is a module of its own, `streamer-client/player`

export type { Player, PlayerEvents, PlayerMode, PlayerOptions, PlayerState } from "./player.js";

// The wire, for whoever writes a client of another kind

/** Offsets in code points, as the wire counts them, to indices of a JavaScript string, of a text that grows. */
export class Offsets {
  /** `codepoint`: where it stands, of a text that comes in parts. Default: behind the rest. */
  add(text: string, codepoint?: number): void;
  /** Code points so far. */
  readonly length: number;
  toIndex(codepoint: number): number;
}
