// Captions as files: the sound of them, and captions of what was spoken.

import { ask, askJson } from "./api.js";
import { extension } from "./snippets.js";

const $ = (id) => document.getElementById(id);
const WATCH_MS = 500;

function save(blob, name) {
  const href = URL.createObjectURL(blob);
  Object.assign(document.createElement("a"), { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60000);
}

/** Has them made by a job, as `wish` says, and shows how that goes. Throws what went wrong, which stands in the list too. */
export async function makeFiles(text, wish, failed) {
  const item = document.createElement("li");
  const told = document.createElement("div");
  told.setAttribute("role", "status");
  const bar = Object.assign(document.createElement("progress"), { max: 1, value: 0 });
  bar.setAttribute("aria-label", "Progress");
  item.append(told, bar);
  $("rendered").replaceChildren(item);
  try {
    told.textContent = "Being made …";
    const codec = $("render-format").value;
    const query = new URLSearchParams({ job: "true", codec, captions: "true", ...wish.voice, ...wish.cues });
    for (const [name, voice] of Object.entries(wish.speakers)) query.set(`speaker.${name}`, voice);
    let job = await askJson(`/v1/captions?${query}`, { method: "POST", body: text, headers: { "content-type": "text/plain; charset=utf-8" } });
    while (["queued", "running"].includes(job.status)) {
      bar.value = job.progress;
      await new Promise((go) => setTimeout(go, WATCH_MS));
      job = await askJson(`/v1/jobs/${job.id}`);
    }
    if (job.error) throw new Error(job.error.message ?? job.error.code);
    bar.remove();
    told.textContent = "Made.";
    item.append(buttons(job, codec, failed));
  } catch (error) {
    item.textContent = error.message;
    throw error;
  }
}

function buttons(job, codec, failed) {
  const row = document.createElement("div");
  row.className = "row";
  const { pathname, search } = new URL(job.results[0].url, location.href);
  const files = [
    [`Sound, ${extension(codec)}`, pathname + search, `captions.${extension(codec)}`],
    ["WebVTT", `/v1/jobs/${job.id}/captions?format=vtt`, "captions.vtt"],
    ["SRT", `/v1/jobs/${job.id}/captions?format=srt`, "captions.srt"],
  ];
  for (const [label, path, name] of files) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: label });
    button.addEventListener("click", () => ask(path).then((answer) => answer.blob()).then((blob) => save(blob, name)).catch(failed));
    row.append(button);
  }
  return row;
}
