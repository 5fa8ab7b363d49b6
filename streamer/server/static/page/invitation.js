// The link by which others hear a channel.

import { askJson, key } from "./api.js";

const $ = (id) => document.getElementById(id);
const TOKEN_S = 3600;

/** Writes the link; where the server has keys with a token that can do nothing but listen to this channel. */
export async function invite(channel) {
  const about = new URLSearchParams({ channel });
  if (key.get()) {
    const wanted = { scopes: ["listen"], channels: [channel], ttl_s: TOKEN_S };
    about.set("token", (await askJson("/v1/tokens", { method: "POST", json: wanted })).token);
  }
  const link = `${location.origin}/listen.html#${about}`;
  $("listener-link").value = link;
  $("listener-open").href = link;
  const local = /^(localhost|127\.|\[::1\])/.test(location.hostname);
  $("listener-hint").textContent = [
    "Whoever opens this link hears the channel, as it is spoken.",
    key.get() ? `It is good for ${TOKEN_S / 60} minutes, and for listening alone.` : "",
    local ? `${location.hostname} is this machine: for a phone put its address in the network there.` : "",
  ].filter(Boolean).join(" ");
}

export async function copyLink() {
  $("listener-link").select();
  if (navigator.clipboard) await navigator.clipboard.writeText($("listener-link").value);
  else document.execCommand("copy"); // plain http in a local network
  $("listener-copy").textContent = "Copied";
  setTimeout(() => { $("listener-copy").textContent = "Copy"; }, 2000);
}
