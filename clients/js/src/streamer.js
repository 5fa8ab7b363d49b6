export { StreamerClient } from "./client.js";
export { StreamerError } from "./errors.js";
export { Offsets } from "./offsets.js";
