// One channel in a plain <audio>, and its captions when they are heard. Its name and a token lie in the fragment of the address.

const $ = (id) => document.getElementById(id);
const about = new URLSearchParams(location.hash.slice(1));
const channel = about.get("channel") ?? "";
const sound = $("sound");

/** Chromium hands an <audio> 32 kB at a time, 4 s of MP3 and 8 s and more of the others: the next have to come in time. */
const BACK_MS = { mp3: 6500, ogg: 14_000, aac: 14_000 };
const TYPES = { mp3: "audio/mpeg", ogg: "audio/ogg; codecs=opus", aac: "audio/aac" };
const LAG_MS = 15_000; // further behind: join anew
const EARLIER_MS = 15_000; // captions of the past that are read
const RETRY_MS = 3000;
const TICK_MS = 100;
const KEPT = 60; // captions

function address(format, query = {}) {
  const token = about.get("token");
  const all = new URLSearchParams({ ...query, ...(token && { token }) });
  return `/v1/listen/${encodeURIComponent(channel)}.${format}?${all}`;
}

const say = (line) => { $("status").textContent = line; };
const format = () => document.querySelector("[name=format]:checked").value;

let wanted = false; // is it to sound?

// Captions, and by them the channel's clock.

const DUE = []; // { start, end, item }
let epoch = null; // when the channel's clock was 0, by this page's
let latest = -1; // where the last caption begins
let shown = -1; // captions up to here were read before the line was lost

const clockOf = (text) => text.split(":").reduce((all, part) => all * 60 + Number(part), 0) * 1000;
const ENTITIES = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&nbsp;": "\u00a0", "&lrm;": "\u200e", "&rlm;": "\u200f" };

function take(block) {
  const lines = block.split("\n");
  const at = lines.findIndex((line) => line.includes("-->"));
  if (at < 0) return;
  const [start, , end] = lines[at].split(/\s+/).map(clockOf);
  if (start <= shown) return;
  latest = start;
  const item = document.createElement("p");
  const text = lines.slice(at + 1).join(" ").replace(/<[^>]*>/g, "");
  item.textContent = text.replace(/&\w+;/g, (entity) => ENTITIES[entity] ?? entity);
  DUE.push({ start, end, item });
}

/** They are read whether it sounds or not; a channel that is not there is asked for again. */
async function read() {
  for (;;) {
    try {
      const status = await readOn();
      latest = -1; // that channel is no more
      if (status !== 200 && !wanted) say(refused(status));
      if ([401, 403].includes(status)) return;
    } catch {
      if (!wanted) say("The server can't be reached.");
    }
    epoch = null;
    await new Promise((go) => setTimeout(go, RETRY_MS));
  }
}

/** The status of a refusal, or 200 when the channel has closed. */
async function readOn() {
  const looking = new AbortController();
  const live = await fetch(address("vtt", { back_ms: 0 }), { signal: looking.signal, cache: "no-store" });
  const now = Number(live.headers.get("x-streamer-start-ms"));
  looking.abort();
  if (!live.ok) return live.status;
  epoch = performance.now() - now;
  shown = now + EARLIER_MS < latest ? -1 : latest;
  const answer = await fetch(address("vtt", { start_ms: Math.max(0, now - EARLIER_MS) }), { cache: "no-store" });
  if (!answer.ok) return answer.status;
  if (!wanted) say("On the air.");
  let rest = "";
  for (const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    blocks.forEach(take);
  }
  if (!wanted) say("The channel has closed.");
  return answer.status;
}

const refused = (status) => ({
  401: "This link is no longer good: ask for another.",
  403: "This link is not for this channel.",
  404: "Nobody speaks on this channel now.",
})[status] ?? `The server answered ${status}.`;

// The sound.

let begun = null; // where on the channel's clock its first sample lies

function join() {
  const back = BACK_MS[format()];
  begun = epoch === null ? null : Math.max(0, performance.now() - epoch - back);
  sound.src = address(format(), begun === null ? { back_ms: back } : { start_ms: begun.toFixed(3) });
  say("Joining …");
  sound.play().catch(() => {}); // `error` tells it
}

function stop(line) {
  wanted = false;
  begun = null;
  sound.removeAttribute("src");
  sound.load();
  $("listen").textContent = "Listen";
  say(line);
}

/** What is heard now, on the channel's clock; without sound what is spoken now. */
function position() {
  if (begun !== null && wanted) return begun + sound.currentTime * 1000;
  return epoch === null ? Infinity : performance.now() - epoch;
}

function tick() {
  const now = position();
  while (DUE.length && DUE[0].start <= now) {
    const { item } = DUE.shift();
    $("lines").append(item);
    if ($("lines").children.length > KEPT) $("lines").firstElementChild.remove();
    $("lines").scrollTop = $("lines").scrollHeight;
  }
  const lag = epoch === null || begun === null ? 0 : performance.now() - epoch - now - BACK_MS[format()];
  if (wanted && !sound.paused && lag > LAG_MS) join();
}

$("listen").addEventListener("click", () => {
  if (wanted) return stop("Stopped.");
  wanted = true;
  $("listen").textContent = "Stop";
  join();
});
sound.addEventListener("playing", () => say("Live, a few seconds behind."));
sound.addEventListener("waiting", () => { if (wanted) say("Waiting for sound …"); });
sound.addEventListener("pause", () => { if (wanted && !sound.ended) stop("Stopped."); }); // by a headset, or a phone call
sound.addEventListener("ended", () => stop("The channel has closed."));
sound.addEventListener("error", async () => {
  if (!wanted) return;
  const answer = await fetch(address(format()), { method: "HEAD", cache: "no-store" }).catch(() => null);
  stop(!answer ? "The server can't be reached." : answer.ok ? "The sound broke off." : refused(answer.status));
});
for (const radio of document.querySelectorAll("[name=format]")) {
  radio.disabled = !sound.canPlayType(TYPES[radio.value]);
  radio.addEventListener("change", () => { if (wanted) join(); });
}

$("name").textContent = document.title = channel || "No channel";
$("listen").disabled = !channel;
if (navigator.mediaSession) navigator.mediaSession.metadata = new MediaMetadata({ title: channel });
if (channel) {
  read();
  setInterval(tick, TICK_MS);
} else say("The link is not whole: it names no channel.");
