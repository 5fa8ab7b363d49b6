// Requests of this page, with the key or token of this tab.

const STORE = "streamer.key";

/** The key, "" for none. It lies in this tab's session storage and nowhere else. */
export const key = {
  get: () => sessionStorage.getItem(STORE) ?? "",
  set: (value) => (value ? sessionStorage.setItem(STORE, value) : sessionStorage.removeItem(STORE)),
};

/** A key or token in the fragment (`#key=…`, `#token=…`) is taken out of the address and kept for this tab. */
export function takeKeyFromAddress() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const found = fragment.get("key") ?? fragment.get("token");
  if (found === null) return;
  key.set(found.trim());
  history.replaceState(null, "", location.pathname + location.search);
}

/** What the server refuses: its code and its words. */
export class Refusal extends Error {
  constructor(status, error = {}) {
    super(error.message ?? `The server answered ${status}.`);
    this.status = status;
    this.code = error.code ?? "";
    this.param = error.param ?? null;
  }
}

/** The key as it can be sent; one that no header could carry is refused here. */
export function credential() {
  if (/[^\x21-\x7e]/.test(key.get())) throw new Refusal(0, { code: "unauthenticated", message: "That is no key: it has blanks or characters that no key has." });
  return key.get();
}

/** A request; a refusal is thrown as `Refusal`, a server out of reach as one with the code "unreachable". */
export async function ask(path, { method = "GET", body, json, headers = {}, signal } = {}) {
  const sent = { ...headers };
  if (credential()) sent.authorization = `Bearer ${credential()}`;
  if (json !== undefined) sent["content-type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers: sent, signal, body: json === undefined ? body : JSON.stringify(json) });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Refusal(0, { code: "unreachable", message: "The server can't be reached." });
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  throw new Refusal(answer.status, told.error);
}

export const askJson = async (path, options) => (await ask(path, options)).json();

/** What a person can do about a refusal, or "". */
export function remedy(error) {
  const remedies = {
    unauthenticated: "Give a key or a token.",
    key_revoked: "Give another key.",
    token_expired: "The time of this token is up: ask for a new one where you got it.",
    origin_not_allowed: "This page's address is not allowed: the server's setting `origins` lists those that are, and a token may name one.",
    scope_missing: "The key or token is not made for this: ask for one that is, and give it by the button Key.",
    connection_failed: "Is it running? Press Speak to try again.",
    context_lost: "The connection was gone for too long, or the server began anew. Press Speak to begin again.",
    text_limit: "Let it come in token by token, or make a job of it.",
    channel_limit: "Other channels have to end first.",
    unreachable: "Is it running? This page tries again when you press Speak.",
    draining: "It is shutting down. Try again in a moment.",
    budget_spent: "The key's budget is used up.",
  };
  return remedies[error.code] ?? "";
}
