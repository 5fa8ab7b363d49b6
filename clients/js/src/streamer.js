/** Client of Streamer, a real-time speech server: `index.d.ts` says what there is, README.md how to use it. */

export { StreamerClient } from "./client.js";
export { StreamerError } from "./errors.js";
export { Offsets } from "./offsets.js";
