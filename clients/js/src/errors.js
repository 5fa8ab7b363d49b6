/** @import { ErrorCode, ErrorFields } from "../index.d.ts" */

export class StreamerError extends Error {
  /** @param {ErrorCode} code @param {string} message @param {ErrorFields} [fields] */
  constructor(code, message, { param = null, retryable = false, details = {}, context = null, requestId = null, cause } = {}) {
    super(message, { cause });
    this.name = "StreamerError";
    this.code = code;
    this.param = param;
    this.retryable = retryable;
    this.details = details;
    this.context = context;
    this.requestId = requestId;
  }
}

/** @param {Record<string, any>} fields as on the wire and over HTTP */
export function errorOf({ type, sequence, code, message, param, retryable, context, request_id: requestId, ...details }) {
  return new StreamerError(code, message, { param, retryable, details, context, requestId });
}

/**
 * What a closed socket means without an `error` before; null: nothing.
 * @param {number} code
 * @param {string} reason
 */
export function errorOfClose(code, reason) {
  const meant = /^([a-z]+_[a-z_]+|draining)$/.test(reason) ? reason : code === 1009 && "message_limit";
  return meant ? new StreamerError(meant, `closed: ${code} ${reason}`) : null;
}

/**
 * A proxy's answer says only that there is no connection.
 * @param {number} status
 * @param {string} body
 */
export function errorOfAnswer(status, body) {
  try {
    const { error } = JSON.parse(body);
    if (error.code) return errorOf(error);
  } catch {}
  return new StreamerError("connection_failed", `HTTP ${status}`, { retryable: status === 429 || status >= 500 });
}
