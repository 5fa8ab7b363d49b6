// The types of streamer-client/player, by hand.

import type {
  Audio, AudioOptions, Context, ContextEvent, Continued, Figures, Interrupted, Paused, Segment, StreamerClient, Word,
} from "./index.js";

export type PlayerState = "locked" | "ready" | "playing" | "paused" | "interrupted" | "closed";
export type PlayerMode = "opus-webcodecs" | "opus-wasm" | "pcm" | "pcm-scheduled";

export interface PlayerOptions {
  /** One of the page's own; it is then not closed with the player. */
  context?: AudioContext;
  /** Where the sound goes, a meter say. Default: the loudspeaker. */
  destination?: AudioNode;
  /** Where the worklet is, for pages whose security policy forbids `blob:`. */
  workletUrl?: string | URL;
  /** The module `opus-decoder` or what imports it, for browsers without WebCodecs. */
  wasm?: unknown;
  /** How much sound is waited for before the first is heard; grows where it ran dry. Default 60. */
  prebufferMs?: number;
}

export interface PlayerEvents {
  state: CustomEvent<{ state: PlayerState; mode: PlayerMode | null; reason: string }>;
  /** A word is being heard. */
  word: CustomEvent<{ context: Context; word: Word; index: number }>;
  /** A segment begins to be heard. */
  segment: CustomEvent<{ context: Context; segment: Segment }>;
  /** A gap was heard within a segment: `late`, sound came too late; `skipped`, this machine was too busy to play it. */
  underrun: CustomEvent<{ context: Context; count: number; cause: "late" | "skipped" }>;
  /** A context has been heard to its end, or as far as it came. `figures`: what the server was told of it. */
  end: CustomEvent<{ context: Context; error: unknown; figures: Figures }>;
  /** How loud it is, 0 to 1, fifty times a second while something plays. */
  level: CustomEvent<{ level: number }>;
  /** Every event of the contexts being played, as it comes: the player has taken them. */
  event: CustomEvent<{ context: Context; event: ContextEvent }>;
}

/** Plays a context's sound in a browser, and knows what is heard. */
export class Player extends EventTarget {
  constructor(client?: StreamerClient | null, options?: PlayerOptions);
  /** The format to be asked for here, as `audio` of a context. */
  static audio(options?: PlayerOptions): AudioOptions;
  readonly state: PlayerState;
  readonly mode: PlayerMode | null;
  /** Why this mode. */
  readonly reason: string;
  /** Milliseconds of the context's sound clock that are heard now. */
  readonly position: number;
  /** A ratio, 1 is unchanged. */
  volume: number;
  /** The AudioContext in use. */
  readonly context: AudioContext;
  /**
   * Take a context's events and play them, behind what is being played. Without one: the client's current. Resolves
   * when it has been heard, or silenced; rejects with what it failed with, once what had arrived was heard.
   */
  play(context?: Context): Promise<void>;
  /** To be called in a gesture, where a page may not make sound by itself. */
  unlock(): Promise<void>;
  interrupt(options?: { signal?: AbortSignal }): Promise<Interrupted>;
  pause(options?: { signal?: AbortSignal }): Promise<Paused>;
  continue(options?: { signal?: AbortSignal }): Promise<Continued>;
  /** Be silent and forget. */
  stop(): void;
  close(): Promise<void>;

  addEventListener<K extends keyof PlayerEvents>(
    type: K, listener: (event: PlayerEvents[K]) => void, options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void;
}
