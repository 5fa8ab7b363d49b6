/** @import * as types from "../index.d.ts" */

const RETRYABLE = new Set(
  ("not_ready rate_limited context_limit connection_limit job_limit engine_failed stalled_reader idle_timeout " +
    "draining storage_unavailable storage_full internal_error context_lost connection_failed").split(" "),
);

/** @implements {types.StreamerError} */
export class StreamerError extends Error {
  /**
   * @param {types.ErrorCode} code
   * @param {string} message
   * @param {types.ErrorFields} [fields]
   */
  constructor(code, message, fields = {}) {
    super(message, { cause: fields.cause });
    this.name = "StreamerError";
    this.code = code;
    this.param = fields.param ?? null;
    this.retryable = fields.retryable ?? RETRYABLE.has(code);
    this.details = fields.details ?? {};
    this.context = fields.context ?? null;
    this.requestId = fields.requestId ?? null;
  }
}

/**
 * What an `error` of the wire, or the body of an HTTP answer, says.
 * @param {Record<string, any>} fields
 */
export function errorOf(fields) {
  const { type, context, sequence, code, message, param, retryable, request_id, ...details } = fields;
  const requestId = request_id;
  return new StreamerError(code, message, { param, retryable, details, context, requestId });
}

/** @type {Record<number, types.ErrorCode>} */
const OF_CLOSE = { 1001: "draining", 1009: "message_limit", 4001: "stalled_reader", 4002: "idle_timeout" };

/**
 * What a closed socket means when no `error` came before; null where it means nothing in particular.
 * @param {number} code
 * @param {string} reason
 */
export function errorOfClose(code, reason) {
  const meant = /^([a-z]+_[a-z_]+|draining)$/.test(reason) ? reason : OF_CLOSE[code];
  return meant ? new StreamerError(meant, `the server closed the connection (${code} ${reason})`) : null;
}

/** @type {Record<number, types.ErrorCode>} */
const OF_STATUS = {
  401: "unauthenticated", 402: "budget_spent", 403: "origin_not_allowed", 404: "not_found",
  405: "method_not_allowed", 413: "message_limit", 429: "rate_limited", 503: "draining",
};

/**
 * What an HTTP answer means; where the body isn't the server's own the status decides.
 * @param {number} status
 * @param {string} body
 */
export function errorOfAnswer(status, body) {
  try {
    const { error } = JSON.parse(body);
    if (typeof error.code === "string") return errorOf(error);
  } catch {}
  const other = status >= 400 && status < 500 ? "invalid_parameter" : "internal_error";
  return new StreamerError(OF_STATUS[status] ?? other, `HTTP ${status}`);
}
