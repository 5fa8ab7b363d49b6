// What the modules of the core say to each other, by hand; what users see is in ../index.d.ts.

import type { ContextEvent, Ready, StreamerError } from "../index.js";
import type { connection } from "./connection.js";
import type { Context } from "./contexts.js";

export type Command = { type: string; context?: string; [field: string]: unknown };

export type Failed = { type: "error"; context: string | null; sequence: number; error: StreamerError };

export type Resumed = { type: "resumed"; session: string; contexts: Record<string, { recovered: boolean; characters: number }> };

/** What a message of the server is read as. */
export type Event = ContextEvent | Ready | Resumed | Failed;

export type Deferred<T = void> = { promise: Promise<T>; resolve(value: T): void; reject(reason: unknown): void };

/** What was said at `at`, as long as it may have to be said again; how many code points of text it is. */
export type Entry = { at: number; characters: number; command: Command };

/** Asked of the server, and not answered yet. */
export type Asked = { command: Command; answered?: (event: any) => void };

export type Connection = ReturnType<typeof connection>;

/** From a context to its client. What is sent while there is no socket is dropped: `Context.replay` says it again. */
export type Link = { send(command: Command): void; forget(context: Context): void };
