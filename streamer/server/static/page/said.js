// The text as it is spoken: what has come in, what has a time, what is heard, and what nobody heard.

/** Shows one utterance in `element`. Offsets are those of JavaScript strings. */
export class Said {
  #element;
  #text = "";
  #words = [];
  #heard = -1;

  constructor(element) {
    this.#element = element;
  }

  clear() {
    this.#text = "";
    this.#words = [];
    this.#heard = -1;
    this.#draw(0);
  }

  /** More of the text has come in. */
  push(piece) {
    this.#text += piece;
    const rest = this.#element.lastElementChild;
    if (rest?.classList.contains("coming")) rest.append(piece);
    else this.#draw(0);
  }

  /** Words have their times. Told again after a pause, they replace what was told. */
  words(words) {
    const first = words[0]?.offset ?? Infinity;
    const kept = this.#words.findIndex((word) => word.offset >= first);
    const from = kept < 0 ? this.#words.length : kept;
    this.#words.splice(from, this.#words.length, ...words.map((word) => ({ ...word, end: word.offset + word.text.length })));
    this.#draw(from);
  }

  /** The word at this offset is being heard. */
  heard(offset) {
    const at = this.#words.findIndex((word) => word.offset === offset);
    if (at < 0) return;
    this.#words[this.#heard]?.span?.classList.remove("now");
    for (const word of this.#words.slice(this.#heard + 1, at + 1)) for (const part of [word.before, word.span]) part.classList.remove("coming");
    this.#heard = at;
    const span = this.#words[at].span;
    span?.classList.add("now");
    this.#scrollTo(span);
  }

  /** Nothing is being heard any more. */
  quiet() {
    this.#words[this.#heard]?.span?.classList.remove("now");
  }

  /** All of it has been heard. */
  done() {
    this.quiet();
    for (const span of this.#element.querySelectorAll(".coming")) span.classList.remove("coming");
  }

  /** It was broken off: what lies behind `length` nobody heard. */
  cut(length) {
    this.quiet();
    const heard = document.createElement("span");
    const lost = document.createElement("span");
    heard.textContent = this.#text.slice(0, length);
    lost.textContent = this.#text.slice(length);
    lost.className = "lost";
    this.#element.replaceChildren(heard, lost);
    this.#words = [];
  }

  /** Draws anew from the word `from` on. */
  #draw(from) {
    const kept = this.#words[from - 1]?.span;
    while (this.#element.lastChild && this.#element.lastChild !== kept) this.#element.lastChild.remove();
    let at = from > 0 ? this.#words[from - 1].end : 0;
    for (const [i, word] of this.#words.entries()) {
      if (i < from) continue;
      word.span = document.createElement("span");
      word.span.textContent = this.#text.slice(word.offset, word.end);
      word.before = document.createElement("span");
      word.before.textContent = this.#text.slice(at, word.offset);
      if (i > this.#heard) word.before.className = word.span.className = "coming";
      this.#element.append(word.before, word.span);
      at = word.end;
    }
    const rest = document.createElement("span");
    rest.className = "coming";
    rest.textContent = this.#text.slice(at);
    if (this.#text) this.#element.append(rest);
  }

  #scrollTo(span) {
    if (!span) return;
    const box = this.#element;
    const below = span.offsetTop + span.offsetHeight - box.offsetTop - box.scrollTop - box.clientHeight;
    if (below > -24) box.scrollTop += below + 48;
  }
}
