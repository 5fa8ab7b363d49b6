// Voices: the picker with its search, the cards, and the makers where an engine can.

import { ask, askJson } from "./api.js";

const SHOWN = 200;
const told = (voice) => voice.name || voice.id;
const about = (voice) => [voice.languages.join(", "), voice.gender, voice.engine].filter(Boolean).join(" · ");
const matches = (voice, words) => {
  const all = `${voice.id} ${voice.name} ${voice.engine} ${voice.gender} ${voice.languages.join(" ")} ${voice.description}`.toLowerCase();
  return words.every((word) => all.includes(word));
};
const split = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);

/** What `GET /v1/voices` tells. */
export class Voices {
  all = [];
  engines = {};

  async load() {
    const answer = await askJson("/v1/voices");
    this.all = answer.voices;
    this.engines = answer.engines ?? {};
  }

  search(text) {
    const words = split(text);
    return this.all.filter((voice) => matches(voice, words));
  }

  /** What asks for this voice, null for the server's default: by engine too, where several have one of that name. */
  wish(voice) {
    if (!voice) return {};
    const several = this.all.filter((other) => other.id === voice.id).length > 1;
    return { voice: voice.id, ...(several && { model: voice.engine }) };
  }

  /** Which engines can do it: "clone", "design" or "instructions". */
  able(what) {
    return Object.keys(this.engines).filter((name) => this.engines[name][what]);
  }

  get languages() {
    return [...new Set(this.all.flatMap((voice) => voice.languages))].sort();
  }
}

/** A combobox after the ARIA pattern: type to search, arrows to choose, Enter takes, Escape leaves. */
export class Picker {
  #input;
  #list;
  #voices;
  #found = [];
  #at = -1;
  /** The chosen voice, null for the server's default. */
  chosen = null;

  constructor(input, list, voices, changed) {
    this.#input = input;
    this.#list = list;
    this.#voices = voices;
    this.changed = changed;
    input.addEventListener("input", () => this.#open());
    input.addEventListener("focus", () => { input.select(); this.#open(""); });
    input.addEventListener("blur", () => this.#leave());
    input.addEventListener("keydown", (event) => this.#key(event));
    list.addEventListener("pointerdown", (event) => {
      event.preventDefault(); // the field keeps the focus
      const option = event.target.closest("[role=option]");
      if (option && !option.hasAttribute("aria-disabled")) this.choose(this.#found[[...list.children].indexOf(option)]);
    });
  }

  choose(voice) {
    this.chosen = voice;
    this.#input.value = voice ? told(voice) : "";
    this.#close();
    this.changed();
  }

  #open(search = this.#input.value) {
    const all = this.#voices.search(search);
    this.#found = [null, ...all.slice(0, SHOWN)];
    const same = (voice) => voice?.id === this.chosen?.id && voice?.engine === this.chosen?.engine;
    if (!search && !this.#found.some(same)) this.#found.splice(1, 0, this.chosen);
    this.#at = search ? Math.min(1, this.#found.length - 1) : this.#found.findIndex(same);
    this.#list.replaceChildren(...this.#found.map((voice, i) => {
      const option = document.createElement("li");
      option.id = `${this.#list.id}-${i}`;
      option.setAttribute("role", "option");
      option.textContent = voice ? told(voice) : "Default";
      if (voice) {
        const more = document.createElement("small");
        more.textContent = about(voice);
        option.append(more);
      }
      return option;
    }));
    if (all.length > SHOWN) this.#list.append(this.#more(all.length - SHOWN));
    this.#list.hidden = false;
    this.#input.setAttribute("aria-expanded", "true");
    this.#mark();
  }

  /** Says that the list goes on; can't be chosen. */
  #more(count) {
    const line = document.createElement("li");
    line.setAttribute("role", "option");
    line.setAttribute("aria-disabled", "true");
    line.textContent = `${count} more: type a name, a language or an engine`;
    return line;
  }

  #mark() {
    [...this.#list.children].forEach((option, i) => option.setAttribute("aria-selected", String(i === this.#at)));
    const option = this.#list.children[this.#at];
    if (option) this.#input.setAttribute("aria-activedescendant", option.id);
    option?.scrollIntoView({ block: "nearest" });
  }

  #key(event) {
    if (event.isComposing) return;
    if (event.key === "Escape" && !this.#list.hidden) {
      event.stopPropagation();
      this.#leave();
    } else if (event.key === "Enter" && !this.#list.hidden) {
      event.preventDefault();
      this.choose(this.#found[Math.max(0, this.#at)]);
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (this.#list.hidden) return this.#open("");
      const step = event.key === "ArrowDown" ? 1 : -1;
      this.#at = (this.#at + step + this.#found.length) % this.#found.length;
      this.#mark();
    }
  }

  #leave() {
    if (this.#input.value.trim() === "" && this.chosen) this.choose(null);
    this.#input.value = this.chosen ? told(this.chosen) : "";
    this.#close();
  }

  #close() {
    this.#list.hidden = true;
    this.#input.setAttribute("aria-expanded", "false");
    this.#input.removeAttribute("aria-activedescendant");
  }
}

/** The panel of voices. `use(voice)` speaks with one, `failed(error)` shows what went wrong. */
export class VoicePanel {
  #voices;
  #use;
  #failed;
  #changed;
  #playing = null;

  constructor(voices, { use, failed, changed }) {
    this.#voices = voices;
    this.#use = use;
    this.#failed = failed;
    this.#changed = changed;
    document.getElementById("voice-search").addEventListener("input", () => this.show());
    this.#maker("clone-form", () => this.#clone());
    this.#maker("design-form", () => this.#design());
  }

  show() {
    const search = document.getElementById("voice-search").value;
    document.getElementById("voice-cards").replaceChildren(...this.#voices.search(search).map((voice) => this.#card(voice)));
    const clone = this.#voices.able("clone").length > 0;
    const design = this.#voices.able("design").length > 0;
    document.getElementById("clone-form").hidden = !clone;
    document.getElementById("design-form").hidden = !design;
    document.getElementById("makers-none").hidden = clone || design;
  }

  #card(voice) {
    const card = document.createElement("li");
    const name = document.createElement("strong");
    name.textContent = told(voice);
    const more = document.createElement("small");
    more.textContent = [about(voice), voice.description].filter(Boolean).join(". ");
    const row = document.createElement("div");
    row.className = "row";
    row.append(this.#button("Listen", `Listen to ${told(voice)}`, (button) => this.#listen(voice, button)));
    row.append(this.#button("Use", `Use ${told(voice)}`, () => this.#use(voice)));
    if (voice.kind !== "preset") row.append(this.#button("Delete", `Delete ${told(voice)}`, () => this.#delete(voice)));
    card.append(name, more, row);
    return card;
  }

  #button(text, label, run) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "quiet", textContent: text });
    button.setAttribute("aria-label", label);
    button.addEventListener("click", () => Promise.resolve(run(button)).catch(this.#failed));
    return button;
  }

  async #listen(voice, button) {
    this.#playing?.pause();
    button.disabled = true;
    try {
      const answer = await ask(`/v1/voices/${encodeURIComponent(voice.id)}/preview?codec=mp3`);
      const address = URL.createObjectURL(await answer.blob());
      this.#playing = new Audio(address);
      this.#playing.addEventListener("ended", () => URL.revokeObjectURL(address));
      await this.#playing.play();
    } finally {
      button.disabled = false;
    }
  }

  async #delete(voice) {
    if (!confirm(`Delete the voice ${told(voice)}? It can't be had back.`)) return;
    await ask(`/v1/voices/${encodeURIComponent(voice.id)}`, { method: "DELETE" });
    await this.#reload();
  }

  async #clone() {
    const file = document.getElementById("clone-file").files[0];
    const query = new URLSearchParams();
    for (const name of ["name", "transcript"]) {
      const value = document.getElementById(`clone-${name}`).value.trim();
      if (value) query.set(name, value);
    }
    const headers = { "content-type": file.type || "application/octet-stream" };
    return (await ask(`/v1/voices?${query}`, { method: "POST", body: file, headers })).json();
  }

  async #design() {
    const wish = { description: document.getElementById("design-description").value.trim() };
    const name = document.getElementById("design-name").value.trim();
    const preview = document.getElementById("design-preview").value.trim();
    if (name) wish.name = name;
    if (preview) wish.preview_text = preview;
    return askJson("/v1/voices/design", { method: "POST", json: wish });
  }

  #maker(id, make) {
    const form = document.getElementById(id);
    const status = form.querySelector("[role=status]");
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const button = form.querySelector("button");
      button.disabled = true;
      status.textContent = "Being made …";
      try {
        const voice = await make();
        status.textContent = `${told(voice)} is there.`;
        form.reset();
        await this.#reload();
      } catch (error) {
        status.textContent = error.message;
      } finally {
        button.disabled = false;
      }
    });
  }

  async #reload() {
    await this.#voices.load();
    this.show();
    this.#changed();
  }
}
