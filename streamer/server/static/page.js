"use strict";
const $ = (id) => document.getElementById(id);
const HEADER = 20, AUDIO = 1, START_S = 0.06;

// A key in the address is taken out of it, and kept for this tab alone.
const fragment = new URLSearchParams(location.hash.slice(1));
if (fragment.has("key")) {
  sessionStorage.setItem("key", fragment.get("key"));
  history.replaceState(null, "", location.pathname + location.search);
}
$("key").value = sessionStorage.getItem("key") || "";
$("key").addEventListener("change", () => {
  sessionStorage.setItem("key", $("key").value.trim());
  listVoices();
});
const key = () => sessionStorage.getItem("key") || "";
const say = (line) => { $("status").textContent = line; };

function base64url(text) {
  const bytes = String.fromCharCode(...new TextEncoder().encode(text));
  return btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function ask(path) {
  return fetch(path, { headers: key() ? { authorization: "Bearer " + key() } : {} });
}

async function explain(answer) {
  const body = await answer.json().catch(() => ({}));
  if (answer.status === 401) { $("keyed").hidden = false; $("key").focus(); }
  say(body.error ? body.error.message : `The server answered ${answer.status}.`);
}

async function listVoices() {
  const answer = await ask("/v1/voices").catch(() => null);
  if (!answer) return say("The server can't be reached.");
  if (!answer.ok) return explain(answer);
  say("");
  $("voice").replaceChildren(new Option("Default", ""));
  for (const voice of (await answer.json()).voices) {
    const name = `${voice.name || voice.id} (${voice.languages.join(", ")})`;
    $("voice").add(new Option(name, voice.id));
  }
}

// The socket, opened when first needed and used again.
let socket = null;
function connect() {
  if (socket && socket.readyState === WebSocket.OPEN) return Promise.resolve(socket);
  return new Promise((resolve, reject) => {
    const offered = ["streamer.v1"];
    if (key()) offered.push("streamer.auth." + base64url(key()));
    const url = location.origin.replace(/^http/, "ws") + "/v1/stream";
    const opening = new WebSocket(url, offered);
    opening.binaryType = "arraybuffer";
    opening.onopen = () => { socket = opening; resolve(opening); };
    opening.onmessage = (event) => received(event.data);
    opening.onclose = (event) => {
      // A browser doesn't show why a handshake was refused; a plain GET does.
      if (socket !== opening) ask("/v1/stream").then(explain, () => say("The server can't be reached.")).finally(reject);
      else { socket = null; if (now) ended(`The connection was closed (${event.code}).`); }
    };
  });
}

// What is being said now.
let now = null, count = 0, sound = null;
const hasOpus = "AudioDecoder" in window;

async function speak(text) {
  if (now) stop();
  sound = sound || new AudioContext(hasOpus ? { sampleRate: 48000 } : {});
  await sound.resume();
  const ws = await connect();
  const context = `page-${++count}`;
  now = {
    context, text: Array.from(text), sent: performance.now(), first: null, words: [], shown: 0,
    spans: [], sources: [], anchors: [], next: 0, media: 0, underruns: 0, done: false, decoder: null,
  };
  $("said").replaceChildren(rest(now));
  $("stop").disabled = false;
  say("…");
  const audio = { codec: hasOpus ? "opus" : "pcm_s16le" };
  const voice = $("voice").value;
  ws.send(JSON.stringify({ type: "start", context, audio, ...(voice && { voice }) }));
  ws.send(JSON.stringify({ type: "text", context, text }));
  ws.send(JSON.stringify({ type: "end", context }));
  requestAnimationFrame(light);
}

function received(data) {
  if (typeof data !== "string") return packet(data);
  const message = JSON.parse(data);
  if (message.type === "error") {
    if (message.context && (!now || message.context !== now.context)) return;
    return ended(message.message);
  }
  if (message.type === "interrupted") return say(heard(message));
  if (!now || message.context !== now.context) return;
  if (message.type === "started") started(message);
  if (message.type === "words") addWords(message.words);
  if (message.type === "done") { now.done = true; now.decoder?.flush().catch(() => {}); }
}

function started(message) {
  now.stream = message.stream;
  now.rate = message.audio.sample_rate;
  if (message.audio.codec !== "opus") return;
  const mine = now;
  now.decoder = new AudioDecoder({
    output: (frames) => { if (now === mine) play(fromFrames(frames)); frames.close(); },
    error: (error) => { if (now === mine) ended(error.message); },
  });
  const description = Uint8Array.from(atob(message.header), (c) => c.charCodeAt(0));
  now.decoder.configure({ codec: "opus", sampleRate: 48000, numberOfChannels: 1, description });
}

function packet(data) {
  const view = new DataView(data);
  if (view.getUint8(0) !== AUDIO || !now || view.getUint16(2) !== now.stream) return;
  if (now.first === null) {
    now.first = performance.now() - now.sent;
    say(`First audio after ${now.first.toFixed(0)} ms.`);
  }
  const body = new Uint8Array(data, HEADER);
  if (now.decoder) {
    const timestamp = Math.round(Number(view.getBigInt64(8)) * 1e6 / now.rate);
    now.decoder.decode(new EncodedAudioChunk({ type: "key", timestamp, data: body }));
  } else if (body.length) {
    const samples = Float32Array.from(new Int16Array(data.slice(HEADER)), (s) => s / 32768);
    play(buffer(samples, now.rate));
  }
}

function fromFrames(frames) {
  const samples = new Float32Array(frames.numberOfFrames);
  frames.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
  return buffer(samples, frames.sampleRate);
}

function buffer(samples, rate) {
  const made = sound.createBuffer(1, Math.max(1, samples.length), rate);
  made.copyToChannel(samples, 0);
  return made;
}

// Each piece begins where the last one ends; after a gap the clocks are tied together anew.
function play(piece) {
  if (now.next < sound.currentTime) {
    if (now.anchors.length) now.underruns++;
    now.next = sound.currentTime + START_S;
    now.anchors.push({ at: now.next, media: now.media });
  }
  const source = new AudioBufferSourceNode(sound, { buffer: piece });
  source.connect(sound.destination);
  source.start(now.next);
  now.sources.push(source);
  source.onended = () => { now?.sources.splice(now.sources.indexOf(source), 1); };
  now.next += piece.duration;
  now.media += piece.duration;
}

function position() {
  const at = sound.currentTime - (sound.outputLatency || sound.baseLatency || 0);
  const anchor = now.anchors.findLast((a) => a.at <= at);
  return anchor ? Math.min(now.media, anchor.media + at - anchor.at) * 1000 : 0;
}

// Words: offsets count code points, as everywhere on the wire.
function rest(of) {
  const span = document.createElement("span");
  span.className = "rest";
  span.textContent = of.text.slice(of.shown).join("");
  return span;
}

function addWords(words) {
  $("said").lastChild.remove();
  for (const word of words) {
    const end = word.offset + Array.from(word.text).length;
    const span = document.createElement("span");
    span.textContent = word.text;
    $("said").append(now.text.slice(now.shown, word.offset).join(""), span);
    now.words.push(word);
    now.spans.push(span);
    now.shown = end;
  }
  $("said").append(rest(now));
}

function light() {
  if (!now) return;
  const ms = position();
  now.words.forEach((word, i) => now.spans[i].classList.toggle("heard", word.start_ms <= ms && ms > 0));
  if (now.done && now.media > 0 && ms >= now.media * 1000 - 1) return finished();
  if (now.done && now.first === null) return ended("There was nothing to say.");
  requestAnimationFrame(light);
}

function finished() {
  report({ first_sound_ms: now.first + START_S * 1000, underruns: now.underruns });
  now.spans.forEach((span) => span.classList.add("heard"));
  ended(`First audio after ${now.first.toFixed(0)} ms. ${now.media.toFixed(1)} s of speech.`);
}

function report(figures) {
  socket?.send(JSON.stringify({ type: "report", context: now.context, ...figures }));
}

function stop() {
  if (!now) return;
  const ms = position();
  const line = heard({ heard_words: now.words.filter((word) => word.end_ms <= ms) });
  if (!now.done) socket?.send(JSON.stringify({ type: "interrupt", context: now.context, played_ms: ms }));
  ended(line); // what the server says of it, words and all, replaces this in a moment
}

function heard(message) {
  const last = message.heard_words.at(-1);
  return last ? `Stopped. Heard as far as “${last.text}”.` : "Stopped before the first word.";
}

function ended(line) {
  if (now) {
    for (const source of now.sources.splice(0)) { source.onended = null; source.stop(); }
    if (now.decoder && now.decoder.state !== "closed") now.decoder.close();
  }
  now = null;
  $("stop").disabled = true;
  say(line);
}

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value;
  if (text.trim()) speak(text).catch(() => {});
});
$("stop").addEventListener("click", stop);
addEventListener("keydown", (event) => { if (event.key === "Escape") stop(); });
listVoices();
