// Jobs and files of this key: made, watched, heard, deleted.

import { ask, askJson } from "./api.js";

const WATCH_MS = 1000;
const RETRY_MS = 5000;

/** The panel. `wish()` is what the form of the first panel says; `failed(error)` shows what went wrong. */
export class JobPanel {
  #wish;
  #failed;
  #timer = 0;
  #shown = new Map();
  #showing = null;

  constructor({ wish, failed }) {
    this.#wish = wish;
    this.#failed = failed;
    document.getElementById("job-new").addEventListener("click", () => this.#create().catch(failed));
    document.getElementById("upload").addEventListener("change", (event) => this.#upload(event.target).catch(failed));
  }

  /** Show, and look again while one is unfinished. */
  async show() {
    clearTimeout(this.#timer);
    const showing = (this.#showing = {});
    const [jobs, files] = await Promise.allSettled([askJson("/v1/jobs?limit=50"), askJson("/v1/files?limit=50")]);
    if (showing !== this.#showing) return; // hidden, or asked again meanwhile
    this.#told("job-list", jobs, "jobs", (job) => this.#job(job), "No jobs yet. One speaks the text of the first tab while nobody listens.");
    this.#told("file-list", files, "files", (file) => this.#file(file), "No files yet.");
    const unfinished = jobs.value?.jobs.some((job) => ["queued", "running"].includes(job.status));
    if (unfinished) this.#timer = setTimeout(() => this.#again(), WATCH_MS);
    const fault = jobs.reason ?? files.reason;
    if (fault) throw fault;
  }

  /** What was answered; what was refused says so in its place, where there is nothing better. */
  #told(id, { value, reason }, name, draw, none) {
    if (value) this.#list(id, value[name], draw, none);
    else if (!this.#shown.get(id)?.size) this.#list(id, [], draw, reason.message);
  }

  hide() {
    this.#showing = null;
    clearTimeout(this.#timer);
  }

  #again() {
    this.show().catch((error) => {
      this.#failed(error);
      clearTimeout(this.#timer);
      if (this.#showing) this.#timer = setTimeout(() => this.#again(), RETRY_MS);
    });
  }

  /** What has not changed stays as it is, with its focus and its sound. */
  #list(id, things, draw, none) {
    const list = document.getElementById(id);
    const before = this.#shown.get(id) ?? new Map();
    const after = new Map(things.map((thing) => {
      const same = JSON.stringify({ ...thing, progress: null });
      const item = before.get(same) ?? draw(thing);
      const bar = item.querySelector("progress");
      if (bar) bar.value = thing.progress;
      return [same, item];
    }));
    this.#shown.set(id, after);
    const empty = document.createElement("li");
    empty.textContent = none;
    const items = after.size ? [...after.values()] : [empty];
    const kept = new Set(items);
    for (const item of [...list.children]) if (!kept.has(item)) item.remove();
    items.forEach((item, i) => { if (list.children[i] !== item) list.insertBefore(item, list.children[i] ?? null); });
  }

  async #create() {
    const button = document.getElementById("job-new");
    if (button.disabled) return; // a double click
    button.disabled = true;
    try {
      const { text, options, audio } = this.#wish();
      await askJson("/v1/jobs", { method: "POST", json: { text, ...options, audio } });
      await this.show();
    } finally {
      button.disabled = false;
    }
  }

  async #upload(input) {
    const [file] = input.files;
    if (!file) return;
    input.value = ""; // so that the same can be tried again
    const query = new URLSearchParams({ name: file.name.slice(0, 255) });
    const headers = { "content-type": file.type || "application/octet-stream" };
    await ask(`/v1/files?${query}`, { method: "POST", body: file, headers });
    await this.show();
  }

  #job(job) {
    const [result] = job.results;
    const state = job.error ? `${job.status}: ${job.error.message ?? job.error.code}` : job.status;
    const item = this.#item(job.id, `${state} · ${job.voice || "default voice"} · ${job.text_characters} characters`);
    if (job.status === "running" || job.status === "queued") {
      const bar = Object.assign(document.createElement("progress"), { max: 1, value: job.progress });
      bar.setAttribute("aria-label", `Progress of ${job.id}`);
      item.append(this.#button("Cancel", `Cancel ${job.id}`, () => ask(`/v1/jobs/${job.id}`, { method: "DELETE" })), bar);
    } else if (result?.url) item.append(this.#link(result.url, job.id), this.#player(result.url, job.id));
    return item;
  }

  #file(file) {
    const item = this.#item(file.name || file.id, `${file.content_type} · ${(file.size / 1024).toFixed(1)} kB · until ${new Date(file.expires_at).toLocaleString()}`);
    const row = document.createElement("div");
    row.className = "row";
    row.append(this.#link(file.url, file.name || file.id));
    row.append(this.#button("Delete", `Delete ${file.name || file.id}`, () => ask(`/v1/files/${file.id}`, { method: "DELETE" })));
    item.append(row);
    return item;
  }

  #item(title, more) {
    const item = document.createElement("li");
    const text = document.createElement("div");
    const small = document.createElement("small");
    small.textContent = more;
    text.append(title, document.createElement("br"), small);
    item.append(text);
    return item;
  }

  #button(text, label, run) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "quiet", textContent: text });
    button.setAttribute("aria-label", label);
    button.addEventListener("click", () => run().then(() => this.show()).catch(this.#failed));
    return button;
  }

  #link(url, name) {
    const link = document.createElement("a");
    Object.assign(link, { href: local(url), textContent: "Download", className: "button quiet", download: "" });
    link.setAttribute("aria-label", `Download ${name}`);
    return link;
  }

  #player(url, name) {
    const audio = document.createElement("audio");
    Object.assign(audio, { controls: true, preload: "none", src: local(url) });
    audio.setAttribute("aria-label", `Sound of ${name}`);
    return audio;
  }
}

/** The same file by this page's own address: links may name another (`public_url`). */
function local(url) {
  const { pathname, search } = new URL(url, location.href);
  return pathname + search;
}
