// Captions: a file is spoken in time, cue for cue, published if wished, and made into files.

import { Player } from "/client/player.js";
import { Cues, clock } from "./cues.js";
import { makeFiles } from "./files.js";
import { copyLink, invite } from "./invitation.js";
import { newPlayer } from "./line.js";
import { SAMPLE } from "./sample.js";
import { Picker } from "./voices.js";

const $ = (id) => document.getElementById(id);
const LEAD_MS = 5000; // so that cues are seen before they are heard
const AHEAD = 40_000; // characters of the file that the server may not have spoken yet
const PIECE = 8000;
const STALE_MS = 10_000;
const TICK_MS = 100;
const DOUBLE_MS = 300; // the second click of two

/** A file's text: UTF-8, or UTF-16 by its mark. */
function decoded(bytes) {
  const [first, second] = bytes;
  const wide = first === 0xff && second === 0xfe ? "utf-16le" : first === 0xfe && second === 0xff ? "utf-16be" : null;
  try {
    return new TextDecoder(wide ?? "utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Error("This file is neither UTF-8 nor UTF-16: save it as UTF-8.");
  }
}

/** The panel. `before()` silences what else speaks; `failed(error)` shows what went wrong. */
export class CaptionPanel {
  #line;
  #voices;
  #before;
  #failed;
  #cues = new Cues($("cue-box"), $("cue-list"), $("cues-empty"));
  #picker;
  #player = null;
  #context = null;
  #ticking = 0;
  #starting = false;
  #begun = 0;
  #told = 0; // characters of the file that have been spoken, about
  #text = "";
  #news = () => {};

  constructor({ line, voices, before, failed }) {
    this.#line = line;
    this.#voices = voices;
    this.#before = before;
    this.#failed = failed;
    this.#picker = new Picker($("captions-voice"), $("captions-voice-list"), voices, () => {});
    $("captions-text").value = SAMPLE;
    this.#name("A sample: play it.");
    const on = (id, type, work) => $(id).addEventListener(type, (event) => Promise.resolve(work.call(this, event)).catch(failed));
    on("captions-form", "submit", (event) => { event.preventDefault(); return this.#play(); });
    on("captions-stop", "click", this.stop);
    on("captions-unlock", "click", () => this.#player?.unlock());
    on("captions-sample", "click", () => this.#load(SAMPLE, "The sample."));
    on("captions-file", "change", ({ target }) => {
      const [file] = target.files;
      target.value = ""; // so that the same can be chosen again
      return this.#open(file);
    });
    on("captions", "dragover", (event) => { if (event.dataTransfer.types.includes("Files")) event.preventDefault(); });
    on("captions", "dragenter", () => $("captions").classList.add("over"));
    on("captions", "dragleave", (event) => { if (!$("captions").contains(event.relatedTarget)) $("captions").classList.remove("over"); });
    on("captions", "drop", (event) => {
      $("captions").classList.remove("over");
      if (!event.dataTransfer.files.length) return;
      event.preventDefault();
      return this.#open(event.dataTransfer.files[0]);
    });
    on("captions-options", "input", () => this.#changed());
    on("listener-copy", "click", copyLink);
    on("render", "click", this.#render);
    this.#changed();
  }

  get live() {
    return this.#context !== null;
  }

  /** Resolves when it is silent. */
  async stop() {
    const context = this.#context;
    if (!context) return;
    this.#over(context, false, "Stopped.");
    await this.#player.interrupt().catch(() => {});
  }

  /** The connection is to be another. */
  close() {
    const player = this.#player;
    this.#player = null;
    if (this.#context) this.#over(this.#context, false, "Broken off.");
    player?.close();
  }

  // What is wished.

  #changed() {
    $("cue-rate-told").textContent = `${Number($("cue-rate").value).toFixed(2)}×`;
    $("channel").disabled = !$("publish").checked;
    const { wrong } = this.#speakers();
    $("cue-speakers-hint").textContent = wrong ? `Not “Name = voice”: ${wrong}` : "";
  }

  #speakers() {
    const speakers = {};
    let wrong = "";
    for (const line of $("cue-speakers").value.split("\n").map((one) => one.trim()).filter(Boolean)) {
      const [, name, voice] = /^([^=]+?)\s*=\s*(\S.*)$/.exec(line) ?? [];
      if (name) speakers[name] = voice;
      else wrong ||= line;
    }
    return { speakers, wrong };
  }

  /** The form; null where something in it can't be, which is shown. */
  #wish() {
    const fields = [$("cue-late"), ...($("publish").checked ? [$("channel")] : [])];
    const wrong = fields.find((field) => !field.validity.valid || !field.value);
    if (wrong) {
      $("captions-options").open = true; // where it can be seen
      wrong.setCustomValidity(wrong.value ? "" : "Needed.");
      wrong.reportValidity();
      wrong.setCustomValidity("");
      return null;
    }
    const cues = {
      overrun: $("cue-overrun").value,
      max_rate: Number($("cue-rate").value),
      max_late_ms: Math.round(Number($("cue-late").value) * 1000),
      overlap: $("cue-overlap").value,
      descriptions: $("cue-descriptions").value,
    };
    return { voice: this.#voices.wish(this.#picker.chosen), cues, speakers: this.#speakers().speakers };
  }

  #name(line) {
    $("captions-name").textContent = line;
  }

  #load(text, name) {
    $("captions-text").value = text;
    this.#name(name);
  }

  async #open(file) {
    if (!file) return;
    this.#load(decoded(new Uint8Array(await file.arrayBuffer())), `${file.name}, ${(file.size / 1024).toFixed(1)} kB.`);
    $("captions-play").focus();
  }

  // What is heard.

  async #play() {
    if (this.#starting || (this.live && performance.now() - this.#begun < DOUBLE_MS)) return;
    this.#starting = true;
    try {
      await this.#begin();
    } finally {
      this.#starting = false;
    }
  }

  async #begin() {
    const text = $("captions-text").value;
    if (!text.trim()) {
      this.#say("There are no captions to speak.");
      return $("captions-text").focus();
    }
    const wish = this.#wish();
    if (!wish) return;
    await Promise.all([this.#before(), this.stop()]);
    $("banner").hidden = true;
    $("listener").hidden = true;
    this.#cues.clear(text);
    this.#figures();
    this.#say("");
    const player = this.#ready();
    await player.unlock();
    if (player !== this.#player) return; // closed meanwhile
    const channel = $("publish").checked ? $("channel").value : undefined;
    const how = { ...wish.voice, cues: { ...wish.cues, speakers: wish.speakers }, input: "captions", channel };
    const context = this.#line.client.start({ ...how, audio: Player.audio(), ...(channel ? {} : { pacing: { lead_ms: LEAD_MS } }) });
    this.#context = context;
    this.#begun = performance.now();
    this.#told = 0;
    this.#text = text;
    $("captions-stop").disabled = false;
    this.#ticking = setInterval(() => this.#tick(), TICK_MS);
    player.play(context).catch(() => {}); // `end` tells it
    this.#feed(context, text);
  }

  /** No more at once than may wait: how far it has come is seen by what is told of it. */
  async #feed(context, text) {
    let since = performance.now();
    for (let at = 0; at < text.length; ) {
      const room = this.#told + AHEAD - at;
      if (context.over) return;
      if (room > 0) {
        const piece = text.slice(at, at + Math.min(PIECE, room));
        context.push(piece);
        at += piece.length;
        since = performance.now();
      } else {
        await new Promise((go) => { this.#news = go; setTimeout(go, 1000); });
        if (performance.now() - since > STALE_MS) this.#told += PIECE; // a part of which nothing is told
      }
    }
    if (!context.over) context.end();
  }

  #ready() {
    if (this.#player) return this.#player;
    const player = newPlayer(this.#line);
    const ours = (work) => ({ detail }) => { if (detail.context === this.#context) work(detail); };
    player.addEventListener("event", ours(({ event }) => this.#message(event)));
    player.addEventListener("segment", ours(({ segment }) => this.#cues.heard(segment)));
    player.addEventListener("word", ours(({ word }) => this.#cues.word(word)));
    player.addEventListener("state", ({ detail }) => { $("captions-unlock").hidden = detail.state !== "locked"; });
    player.addEventListener("end", ({ detail: { context, error } }) => this.#over(context, !error, error ? "" : "Heard to the end.", error));
    return (this.#player = player);
  }

  #message(event) {
    if (event.type === "started") {
      if (this.#context.start.channel) this.#invite(this.#context.start.channel).catch(this.#failed);
      if (event.warnings.length) this.#say(`Ignored by this engine: ${event.warnings.join(", ")}.`);
    } else if (event.type === "late") this.#cues.late(event);
    else if (event.type === "skipped") this.#cues.skipped(event);
    else if (event.type === "words") this.#cues.words(event.words);
    else if (event.type === "segment") {
      this.#cues.segment(event);
      const found = this.#text.indexOf(event.text.slice(0, 12), this.#told);
      if (found >= 0) this.#told = found;
      this.#news();
    } else return;
    this.#figures();
  }

  #tick() {
    const ms = this.#player.position;
    $("cue-clock").textContent = clock(ms);
    this.#cues.tick(ms);
  }

  #over(context, all, line, error = null) {
    if (context !== this.#context) return;
    clearInterval(this.#ticking);
    if (all) this.#tick();
    this.#context = null;
    this.#cues.stop(all);
    this.#figures();
    $("captions-stop").disabled = true;
    if (!all) $("listener").hidden = true;
    this.#say(line);
    if (error) this.#failed(error);
  }

  #say(line) {
    $("captions-status").textContent = line;
  }

  #figures() {
    const figures = this.#cues.figures();
    $("late-empty").hidden = figures.length > 0;
    $("cue-figures").replaceChildren(...figures.map(([label, value]) => {
      const pair = document.createElement("div");
      const [term, said] = ["dt", "dd"].map((tag) => document.createElement(tag));
      [term.textContent, said.textContent] = [label, value];
      pair.append(term, said);
      return pair;
    }));
  }

  async #invite(channel) {
    await invite(channel);
    $("listener").hidden = this.#context?.start.channel !== channel; // it may be over by now
  }

  async #render() {
    const text = $("captions-text").value;
    const wish = this.#wish();
    if (!wish || !text.trim() || $("render").disabled) return;
    $("render").disabled = true;
    await makeFiles(text, wish, this.#failed).finally(() => { $("render").disabled = false; });
  }
}
