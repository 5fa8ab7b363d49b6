// The cues as the server tells of them: waiting, heard now, heard, late or left out.

const REASONS = {
  late: "it would be too late",
  description: "it describes a sound",
  repeat: "it says again what was said",
  empty: "there is nothing to say",
  invalid: "it can't be read, or its times can't be",
  spoken: "it corrects what was spoken",
};
const SHOWN = 400; // rows

/** Minutes, seconds and tenths. */
export function clock(ms) {
  const tenths = Math.max(0, Math.floor(ms / 100));
  const [hours, minutes] = [Math.floor(tenths / 36000), Math.floor(tenths / 600) % 60];
  const two = (number) => String(number).padStart(2, "0");
  return `${hours ? `${hours}:` : ""}${two(minutes)}:${two(Math.floor(tenths / 10) % 60)}.${tenths % 10}`;
}

const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;
const times = (rate) => `×${rate.toFixed(2)}`;

/** The texts of a file by the ids that it gives its cues; "" where several have the same. */
function textsOf(file) {
  const texts = new Map();
  for (const block of file.split(/\r?\n(?:[ \t]*\r?\n)+/)) {
    const [id, times, ...text] = block.trim().split(/\r?\n/);
    if (times?.includes("-->")) texts.set(id, texts.has(id) ? "" : text.join(" ").replace(/<[^>]*>/g, ""));
  }
  return texts;
}

/** A list in `box`, which scrolls. Times are ms of the sound. */
export class Cues {
  #box;
  #list;
  #empty;
  #rows = new Map();
  #segments = [];
  #late = new Map();
  #lit = new Set();
  #marked = null;
  #texts = new Map();

  constructor(box, list, empty) {
    this.#box = box;
    this.#list = list;
    this.#empty = empty;
    this.clear();
  }

  /** Others are coming: those of `file`. */
  clear(file = "") {
    this.#texts = textsOf(file);
    this.#rows.clear();
    this.#segments = [];
    this.#late.clear();
    this.#lit.clear();
    this.#marked = null;
    this.#list.replaceChildren();
    this.#empty.hidden = false;
  }

  late(event) {
    this.#late.set(event.cue, event);
    if (event.into !== null) this.#say(this.#row(event.cue), "into", `said in one breath with ${event.into}, ${seconds(event.by_ms)} late`);
  }

  skipped({ cue, reason }) {
    const row = this.#row(cue);
    if (row.segments.length) return;
    row.text.textContent = this.#texts.get(cue) ?? "";
    this.#say(row, "skipped", `left out: ${REASONS[reason] ?? reason}`);
  }

  /** Text that is going to be heard. */
  segment(segment) {
    const row = this.#row(segment.cue);
    const late = this.#late.get(segment.cue);
    if (!row.segments.length) {
      row.time.textContent = clock(segment.start_ms + (segment.shift_ms ?? 0) - (late?.by_ms ?? 0));
      row.voice.textContent = segment.voice;
      row.text.replaceChildren();
    }
    const span = document.createElement("span");
    span.textContent = segment.text;
    row.text.append(row.segments.length ? " " : "", span);
    const told = { ...segment, span, row, end: segment.start_ms };
    row.segments.push(told);
    this.#segments.push(told);
    row.rate = Math.max(row.rate, segment.rate);
    this.#state(row, "waiting");
  }

  words(words) {
    for (const word of words) {
      const segment = this.#of(word.offset);
      if (segment) segment.end = Math.max(segment.end, word.end_ms);
    }
  }

  /** Its sound is heard now. */
  heard(segment) {
    const told = this.#segments.find((one) => one.index === segment.index);
    if (!told) return;
    this.#lit.add(told);
    this.#state(told.row, "speaking");
    this.#scrollTo(told.row.item);
  }

  word({ offset, text }) {
    const segment = this.#of(offset);
    if (!segment) return;
    this.#unmark();
    const at = offset - segment.offset;
    const mark = document.createElement("mark");
    mark.textContent = text;
    segment.span.replaceChildren(segment.text.slice(0, at), mark, segment.text.slice(at + text.length));
    this.#marked = segment;
  }

  /** It is `ms` now: what has come to its end goes out. */
  tick(ms) {
    for (const segment of this.#lit) {
      const { row } = segment;
      if (ms < segment.end) continue;
      this.#lit.delete(segment);
      if (this.#marked === segment) this.#unmark();
      const last = segment === row.segments.at(-1);
      if (last && ![...this.#lit].some((one) => one.row === row)) this.#state(row, "spoken");
    }
  }

  /** Nothing more is heard; `all`: it has been heard to its end. */
  stop(all) {
    this.#unmark();
    this.#lit.clear();
    for (const row of this.#rows.values()) {
      if (row.state === "speaking") this.#state(row, all ? "spoken" : "broken");
      else if (row.state === "waiting") this.#state(row, all ? "spoken" : "unheard");
    }
  }

  /** What became of them, as far as is known. */
  figures() {
    const rows = [...this.#rows.values()].filter((row) => row.segments.length);
    const behind = [...this.#late.values()].map(({ by_ms }) => by_ms).sort((a, b) => a - b);
    const hurried = rows.filter((row) => row.rate > 1.005);
    const skipped = [...this.#rows.values()].filter((row) => row.state === "skipped").length;
    if (!rows.length && !skipped) return [];
    const middle = behind[Math.floor(behind.length / 2)];
    return [
      ["Cues spoken", String(rows.length)],
      ["At their time", String(rows.filter((row) => !this.#late.has(row.id)).length)],
      ["Late", behind.length ? `${behind.length}, median ${seconds(middle)}, most ${seconds(behind.at(-1))}` : "0"],
      ["Hurried", hurried.length ? `${hurried.length}, up to ${times(Math.max(...hurried.map((row) => row.rate)))}` : "0"],
      ["Left out", String(skipped)],
    ];
  }

  #of(offset) {
    return this.#segments.findLast((segment) => segment.offset <= offset && offset < segment.offset + segment.text.length);
  }

  #unmark() {
    if (this.#marked) this.#marked.span.textContent = this.#marked.text;
    this.#marked = null;
  }

  #row(id) {
    const known = this.#rows.get(id);
    if (known) return known;
    this.#empty.hidden = true;
    const item = document.createElement("li");
    const [time, text, voice, state] = ["time", "p", "span", "small"].map((tag) => document.createElement(tag));
    item.append(time, text, voice, state);
    // What is left out may be told long before its turn: numbered cues stay in order.
    const next = [...this.#rows.values()].find((row) => Number(row.id) > Number(id));
    this.#list.insertBefore(item, next?.item.isConnected ? next.item : null);
    if (this.#list.children.length > SHOWN) this.#list.firstElementChild.remove();
    const row = { id, item, time, text, voice, told: state, segments: [], rate: 1, state: "" };
    this.#rows.set(id, row);
    return row;
  }

  #state(row, state) {
    const words = { waiting: "waiting", speaking: "speaking", spoken: "spoken", broken: "broken off", unheard: "not heard" };
    const late = this.#late.get(row.id);
    const more = [late && `${seconds(late.by_ms)} late`, row.rate > 1.005 && `hurried ${times(row.rate)}`];
    this.#say(row, state, [words[state], ...more].filter(Boolean).join(" · "));
  }

  #say(row, state, line) {
    row.state = state;
    row.item.dataset.state = state;
    row.item.classList.toggle("late", this.#late.has(row.id));
    row.told.textContent = row.segments.length ? line : `Cue ${row.id} ${line}`;
    if (state === "speaking") row.item.setAttribute("aria-current", "true");
    else row.item.removeAttribute("aria-current");
  }

  #scrollTo(item) {
    const box = this.#box;
    const below = item.offsetTop + item.offsetHeight - box.scrollTop - box.clientHeight;
    if (below > -48) box.scrollTop += below + 96;
  }
}
