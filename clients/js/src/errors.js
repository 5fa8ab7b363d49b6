/** @import { ErrorCode, ErrorFields } from "../index.d.ts" */

export class StreamerError extends Error {
  /**
   * @param {ErrorCode} code
   * @param {string} message
   * @param {ErrorFields} [fields]
   */
  constructor(code, message, { param, retryable, details, context, requestId, cause } = {}) {
    super(message, { cause });
    this.name = "StreamerError";
    this.code = code;
    this.param = param ?? null;
    this.retryable = retryable ?? false;
    this.details = details ?? {};
    this.context = context ?? null;
    this.requestId = requestId ?? null;
  }
}

/** @param {Record<string, any>} fields as on the wire and over HTTP */
export function errorOf({ type, sequence, code, message, param, retryable, context, request_id: requestId, ...details }) {
  return new StreamerError(code, message, { param, retryable, details, context, requestId });
}

/**
 * What a closed socket means when no `error` came before; null: nothing in particular.
 * @param {number} code
 * @param {string} reason
 */
export function errorOfClose(code, reason) {
  const meant = /^([a-z]+_[a-z_]+|draining)$/.test(reason) ? reason : code === 1009 && "message_limit";
  return meant ? new StreamerError(meant, `the server closed the connection (${code} ${reason})`) : null;
}

/** @type {Record<number, ErrorCode>} what a proxy means by it */
const STATUSES = { 401: "unauthenticated", 403: "origin_not_allowed", 404: "not_found", 429: "rate_limited", 503: "draining" };

/**
 * @param {number} status
 * @param {string} body
 */
export function errorOfAnswer(status, body) {
  try {
    const { error } = JSON.parse(body);
    if (error.code) return errorOf(error);
  } catch {}
  return new StreamerError(STATUSES[status] ?? (status < 500 ? "invalid_parameter" : "internal_error"), `HTTP ${status}`, { retryable: status === 429 || status >= 500 });
}
