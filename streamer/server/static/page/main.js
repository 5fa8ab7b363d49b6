// The page: what is on it, and what belongs together.

import { Refusal, ask, key, remedy, takeKeyFromAddress } from "./api.js";
import { Line } from "./line.js";
import { Said } from "./said.js";
import { extension, snippet } from "./snippets.js";
import { Speech } from "./speak.js";
import { tabs } from "./tabs.js";
import { Timeline } from "./timeline.js";
import { Picker, VoicePanel, Voices } from "./voices.js";
import { Wave } from "./wave.js";

const $ = (id) => document.getElementById(id);
const FORMATS = { opus: "Opus", mp3: "MP3", aac: "AAC", flac: "FLAC", pcm_s16le: "WAV" };
const RATIOS = ["speed", "pitch", "volume"];
const narrow = matchMedia("(max-width: 44rem)").matches;

takeKeyFromAddress();

// What is shown.

const said = new Said($("said"));
const timeline = new Timeline($("timeline"), $("timeline-empty"));
const wave = new Wave($("wave"));
const voices = new Voices();
const say = (line) => { $("status").textContent = line; };

const sentence = (text) => text.slice(0, 1).toUpperCase() + text.slice(1) + (/[.!?…]$/.test(text) ? "" : ".");

function failed(error) {
  const banner = $("banner");
  banner.textContent = [sentence(error.message), remedy(error)].filter(Boolean).join(" ");
  banner.hidden = false;
  if (["unauthenticated", "key_revoked", "token_expired"].includes(error.code)) askForKey();
}

const FIGURES = [
  ["packet", "First packet", (ms) => `${ms.toFixed(0)} ms`],
  ["sound", "First sound heard", (ms) => `${ms.toFixed(0)} ms`],
  ["server", "Inside the server", (ms) => `${ms.toFixed(1)} ms`],
  ["audio", "Speech", (ms) => `${(ms / 1000).toFixed(2)} s`],
  ["underruns", "Ran dry", (count) => `${count} ×`],
  ["engine", "Engine", String],
  ["voice", "Voice", String],
  ["codec", "Codec", String],
];

function showFigures(figures) {
  $("figures").replaceChildren(...FIGURES.filter(([name]) => figures[name] !== undefined && figures[name] !== null).map(([name, label, tell]) => {
    const pair = document.createElement("div");
    const term = document.createElement("dt");
    const value = document.createElement("dd");
    term.textContent = label;
    value.textContent = tell(figures[name]);
    pair.append(term, value);
    return pair;
  }));
}

const LAMPS = { idle: "Not connected", connecting: "Connecting", open: "Connected", reconnecting: "Connection lost, trying again", closed: "Not connected" };

const line = new Line((state) => {
  $("connection").dataset.state = state;
  $("connection").textContent = LAMPS[state];
});

const speech = new Speech(line, {
  state: say,
  text: (piece) => said.push(piece),
  words: (words) => said.words(words),
  word: (offset) => said.heard(offset),
  segment: (event, arrived) => timeline.segment(event, arrived),
  segmentHeard: (index, at) => timeline.heard(index, at),
  segmentEnded: (index, at) => timeline.ended(index, at),
  level: (at, peak) => wave.level(at, peak),
  figures: showFigures,
  heardAll: () => said.done(),
  cut: (length) => { said.cut(length); timeline.lost(0); },
  player({ state, reason }) {
    $("unlock").hidden = state !== "locked";
    if (state === "locked" || state === "interrupted") say(reason);
  },
  over(line, error) {
    said.quiet();
    wave.stop();
    buttons();
    if (error) failed(error);
    say(line);
  },
});

function buttons() {
  $("pause").disabled = $("interrupt").disabled = !speech.live;
  $("pause").textContent = speech.paused ? "Continue" : "Pause";
}

// What is wished.

const picker = new Picker($("voice"), $("voice-list"), voices, changed);
const formats = (select) => select.append(...Object.entries(FORMATS).map(([codec, name]) => new Option(name, codec)));
formats($("format"));

/** The form, defaults left out. */
function wish() {
  const options = voices.wish(picker.chosen);
  for (const name of ["language", "instructions"]) if ($(name).value.trim()) options[name] = $(name).value.trim();
  for (const name of RATIOS) if (Number($(name).value) !== 1) options[name] = Number($(name).value);
  if ($("seed").value.trim() !== "" && $("seed").validity.valid) options.seed = Number($("seed").value);
  return { text: $("text").value, options, audio: { codec: $("format").value } };
}

function changed() {
  for (const name of RATIOS) $(`${name}-told`).textContent = `${Number($(name).value).toFixed(2)}×`;
  $("rate-told").textContent = `${$("rate").value} tokens/s`;
  $("rate-row").hidden = arrival() === "whole";
  const engine = picker.chosen?.engine ?? Object.keys(voices.engines)[0];
  const follows = !engine || voices.engines[engine]?.instructions;
  $("instructions-hint").textContent = follows ? "" : `${engine} does not follow instructions.`;
  $("snippet").textContent = snippet(document.querySelector("[name=snippet]:checked").value, wish(), key.get() !== "");
}

const arrival = () => document.querySelector("[name=arrival]:checked").value;

// What is done.

let starting = false;

async function speak() {
  if (starting) return; // a double click
  starting = true;
  try {
    await begin();
  } finally {
    starting = false;
  }
}

async function begin() {
  const { text, options } = wish();
  if (!text.trim()) {
    say("There is no text to speak.");
    return $("text").focus();
  }
  if (!$("seed").validity.valid) {
    $("options").open = true; // where it can be seen
    return $("seed").reportValidity();
  }
  await Promise.all([speech.interrupt(), captions?.stop()]);
  $("banner").hidden = true;
  said.clear();
  timeline.clear();
  wave.clear();
  showFigures({});
  say("");
  await speech.start(text, options, arrival() === "tokens" ? Number($("rate").value) : 0);
  if (speech.live) wave.start(() => speech.position);
  buttons();
}

async function pause() {
  if (!speech.live) return;
  const done = speech.paused ? speech.continue() : speech.pause();
  buttons();
  await done;
}

async function download() {
  const { text, options, audio } = wish();
  $("download").disabled = true;
  try {
    const seed = options.seed ?? speech.seed;
    const answer = await ask("/v1/speech", { method: "POST", json: { text, ...options, ...(seed !== undefined && { seed }), audio } });
    const address = URL.createObjectURL(await answer.blob());
    const link = document.createElement("a");
    Object.assign(link, { href: address, download: `speech.${extension(audio.codec)}` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 60000);
  } finally {
    $("download").disabled = false;
  }
}

async function copy() {
  await navigator.clipboard.writeText($("snippet").textContent);
  $("copy").textContent = "Copied";
  setTimeout(() => { $("copy").textContent = "Copy"; }, 2000);
}

function askForKey() {
  $("key").value = key.get();
  $("key-dialog").returnValue = ""; // of the last time
  if (!$("key-dialog").open) $("key-dialog").showModal();
}

async function load() {
  try {
    await voices.load();
    $("banner").hidden = true;
  } catch (error) {
    return failed(error);
  }
  $("languages").replaceChildren(...voices.languages.map((language) => new Option(language)));
  panel.show();
  changed();
}

const attempt = (work) => () => Promise.resolve(work()).catch((error) => { buttons(); failed(error); });

const panel = new VoicePanel(voices, {
  use(voice) { picker.choose(voice); parts.show("speak"); $("text").focus(); },
  failed,
  changed: () => changed(),
});
const parts = tabs(document.querySelector("[role=tablist]"), (id) => {
  shown = id;
  if (id !== "jobs") jobs?.hide();
  attempt(coming[id] ?? (() => {}))();
});

// Parts that come when they are first shown.

let shown = "speak";
let captions = null;
let jobs = null;

const coming = {
  async captions() {
    if (captions) return;
    const [{ CaptionPanel }, markup] = await Promise.all([import("./captions.js"), ask("page/captions.html").then((answer) => answer.text())]);
    if (captions) return; // asked for twice
    $("captions").innerHTML = markup;
    formats($("render-format"));
    if (narrow) $("captions-options").open = false;
    captions = new CaptionPanel({ line, voices, before: () => speech.interrupt(), failed });
  },
  async jobs() {
    const { JobPanel } = await import("./jobs.js");
    jobs ??= new JobPanel({ wish, failed });
    if (shown === "jobs") await jobs.show();
  },
};

$("speak-form").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(speak)();
});
$("interrupt").addEventListener("click", attempt(() => speech.interrupt()));
$("pause").addEventListener("click", attempt(pause));
$("unlock").addEventListener("click", attempt(() => speech.unlock()));
$("download").addEventListener("click", attempt(download));
$("copy").addEventListener("click", attempt(copy));
$("key-open").addEventListener("click", askForKey);
$("key-dialog").addEventListener("close", () => {
  const answer = $("key-dialog").returnValue;
  if (answer === "use") key.set($("key").value.trim());
  if (answer === "forget") key.set("");
  if (!answer) return;
  speech.close();
  captions?.close();
  line.close().then(load);
});
addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (event.key === "Escape" && captions?.live && !$("key-dialog").open) captions.stop();
  if (!speech.live) return;
  if (event.key === "Escape" && !$("key-dialog").open) attempt(() => speech.interrupt())();
  if (event.key === " " && event.ctrlKey) {
    event.preventDefault();
    if (!event.repeat) attempt(pause)();
  }
});
for (const area of [$("speak"), $("options")]) area.addEventListener("input", changed);
if (narrow) $("options").open = false;

await load();
changed();
export { Refusal, speech };
