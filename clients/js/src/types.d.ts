// What the modules of the core say to each other, by hand; what users see is in ../index.d.ts.

import type { ClientOptions, ContextEvent, Environment, Ready, StartOptions, StreamerError, WebSocketClass, WebSocketLike } from "../index.js";
import type { Context } from "./contexts.js";

export type Command = { type: string; context?: string; [field: string]: unknown };

export type Failed = { type: "error"; context: string | null; sequence: number; error: StreamerError };

export type Resumed = { type: "resumed"; session: string; contexts: Record<string, { recovered: boolean; characters: number }> };

/** What a message of the server is read as. */
export type Event = Told | Ready | Resumed;

/** Such of a context. */
export type Told = ContextEvent | Failed;

export type Deferred<T = void> = { promise: Promise<T>; resolve(value: T): void; reject(reason: unknown): void };

/** What was said at `at`, as long as it may have to be said again; how many code points of text it is. */
export type Entry = { at: number; characters: number; command: Command };

/** Asked of the server, and not answered yet. */
export type Asked = { command: Command; answered?: (event: any) => void };

/** What a context is begun with: `start`, or what `type` says. */
export type Begun = StartOptions & { type?: string };

/** A context that is over here; `ended`: there too. `resume` names it. */
export type Gone = { sequence: number; ended: boolean };

/** What the server waits with, should a socket be lost. */
export type Session = Pick<Ready, "session" | "token">;

/** Where a server is, and how it is spoken to. */
export type Place = { socket: string; http: string; closing: AbortSignal; environment: Environment } & Pick<Required<ClientOptions>, "openTimeout"> & Pick<ClientOptions, "key" | "WebSocket">;

/** An open socket. `close` gives it up: nothing more is heard of it. */
export type Connection = { send(message: string): void; close(): void };

/**
 * A socket, up to where it carries contexts: `take` answers with the greeting then. `lost` is told once, last, if it did;
 * `error`: null where it just broke.
 */
export type Dial = (
  place: Place,
  decode: (message: string | ArrayBuffer) => Event | null,
  take: (event: Exclude<Event, Failed & { context: null }>, socket: Connection) => Ready | void,
  lost: (error: unknown, code: number, reason: string) => void,
) => Promise<Ready>;

/** Throws what is wrong with the URL. */
export type Open = (WebSocket: WebSocketClass, url: string, protocols: string[]) => WebSocketLike;

/** Browsers hide why a handshake was refused; a GET of the same address tells. */
export type WhyRefused = (fetch: Environment["fetch"], url: string, key: string | undefined, signal: AbortSignal) => Promise<StreamerError>;

/**
 * From a context to its client. What is sent while there is no socket is dropped: `Context.replay` says it again. `room`: may a
 * text wait for one? `bufferBytes` may wait to be read.
 */
export type Link = { bufferBytes: number; send(command: Command): void; room(text: string): boolean; forget(context: Context): void };
