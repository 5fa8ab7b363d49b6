// One line for each segment: when its text came in, when each stage had it, when it was heard.

const STAGES = [
  ["text", "received_ms", "text came in"],
  ["cut", "cut_ms", "cut"],
  ["synth", "synthesized_ms", "synthesised"],
  ["code", "encoded_ms", "encoded"],
  ["wire", "arrived", "received here"],
];

const TICKS_MS = [100, 1000, 10000];

/** The table of segments. Times are milliseconds since the first text was sent. */
export class Timeline {
  #table;
  #body;
  #empty;
  #rows = new Map();
  #span = 1;

  constructor(table, empty) {
    this.#table = table;
    this.#body = table.tBodies[0];
    this.#empty = empty;
    this.clear();
  }

  clear() {
    this.#rows.clear();
    this.#body.replaceChildren();
    this.#span = 1;
    this.#table.hidden = true;
    this.#empty.hidden = false;
  }

  /** A segment begins; the same one again after a pause only moves. */
  segment(message, arrived) {
    this.#table.hidden = false;
    this.#empty.hidden = true;
    let row = this.#rows.get(message.index);
    if (!row) {
      row = { cells: this.#line(message) };
      this.#rows.set(message.index, row);
      row.times = { ...message.trace, arrived };
    }
    this.#fill(row);
  }

  /** Its first sound is heard now; `seconds` it lasts, as far as is known. */
  heard(index, at) {
    const row = this.#rows.get(index);
    if (!row || row.times.heard !== undefined) return;
    row.times.heard = at;
    this.#fill(row);
  }

  /** All of it has been heard. */
  ended(index, at) {
    const row = this.#rows.get(index);
    if (!row) return;
    row.times.ended = at;
    this.#fill(row);
  }

  /** Nobody heard these. */
  lost(from) {
    for (const [index, row] of this.#rows) if (index >= from && row.times.heard === undefined) row.cells.line.classList.add("lost");
  }

  #line(message) {
    const line = this.#body.insertRow();
    line.insertCell().textContent = message.text;
    line.cells[0].title = message.text;
    const figures = [...STAGES, ["ear"]].map(() => line.insertCell());
    const bar = document.createElement("div");
    bar.className = "bar";
    const cell = line.insertCell();
    cell.className = "bars";
    cell.append(bar);
    return { line, figures, bar };
  }

  #fill(row) {
    const { times, cells } = row;
    STAGES.forEach(([, name], i) => { cells.figures[i].textContent = times[name] === undefined ? "" : Math.round(times[name]); });
    cells.figures.at(-1).textContent = times.heard === undefined ? "" : Math.round(times.heard);
    const last = Math.max(...Object.values(times).filter(Number.isFinite));
    if (last > this.#span) {
      this.#span = last * 1.25;
      for (const other of this.#rows.values()) this.#bars(other);
    } else this.#bars(row);
  }

  /** From each stage to the next, on one scale for all lines. */
  #bars({ times, cells }) {
    const steps = [...STAGES.map(([kind, name, what]) => [kind, times[name], what]), ["ear", times.heard, "heard"]];
    const bars = [];
    for (let i = 1; i < steps.length; i++) {
      const [kind, to, what] = steps[i];
      const from = steps[i - 1][1];
      if (from !== undefined && to !== undefined) bars.push(this.#piece(kind === "ear" ? "wire" : kind, from, to, what));
    }
    if (times.ended !== undefined && times.heard !== undefined) bars.push(this.#piece("ear", times.heard, times.ended, "sounding"));
    for (const tick of TICKS_MS) if (tick < this.#span) bars.push(this.#piece("tick", tick, tick, ""));
    cells.bar.replaceChildren(...bars);
  }

  #piece(kind, from, to, what) {
    const piece = document.createElement("i");
    piece.className = kind;
    piece.style.left = `${this.#place(from)}%`;
    piece.style.width = `${Math.max(0, this.#place(to) - this.#place(from))}%`;
    if (what) piece.title = `${what} at ${Math.round(to)} ms`;
    return piece;
  }

  /** In per cent. By the square root, so that the first milliseconds can be seen beside seconds. */
  #place(ms) {
    return 100 * Math.sqrt(Math.max(0, ms) / this.#span);
  }
}
