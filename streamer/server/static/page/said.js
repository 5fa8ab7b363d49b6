// The text as it is spoken: what has come in, what has a time, what is heard, and what nobody heard.

const LONGEST = 1000; // characters that are laid out anew with each word

/** Where a block that begins at `begin` ends: behind its line, or behind a sentence of a long one; -1: it may go on. */
function endOfBlock(text, begin) {
  const line = text.indexOf("\n", begin);
  if (line >= 0 && line - begin < LONGEST) return line + 1;
  if (text.length - begin <= LONGEST) return -1;
  const block = text.slice(begin, begin + LONGEST);
  const [whole] = /^[^]*[.!?…。！？]\S*\s+/u.exec(block) ?? /^[^]*\s/.exec(block) ?? /^[^]*[^\uD800-\uDBFF]/.exec(block);
  return begin + whole.length;
}

function hear(parts) {
  for (const part of parts) part.classList.remove("coming");
}

/** Shows one utterance in `element`. Offsets are those of JavaScript strings. */
export class Said {
  #element;
  #text = "";
  #words = [];
  #heard = -1;
  /** What is laid out by itself: each ends where the next begins. */
  #blocks = [];

  constructor(element) {
    this.#element = element;
  }

  clear() {
    this.#text = "";
    this.#words = [];
    this.#heard = -1;
    this.#blocks = [];
    this.#element.replaceChildren();
  }

  /** More of the text has come in. */
  push(piece) {
    if (!piece) return;
    this.#text += piece;
    const last = Math.max(0, this.#blocks.length - 1);
    let begin = this.#blocks[last]?.begin ?? 0;
    for (let at = last; begin >= 0 && begin < this.#text.length; at++) {
      this.#blocks[at] ??= { begin, element: this.#element.appendChild(document.createElement("div")) };
      begin = endOfBlock(this.#text, begin);
    }
    const next = this.#blocks[last + 1]?.begin ?? Infinity;
    this.#draw(this.#words.findLastIndex((word) => word.offset < next) + 1, last, this.#blocks.length);
  }

  /** Words have their times. Told again after a pause, they replace what was told. */
  words(words) {
    if (!words.length) return;
    const [first] = words;
    const from = this.#words.findLastIndex((word) => word.offset < first.offset) + 1;
    const told = this.#words.at(-1)?.end ?? 0;
    this.#words.splice(from, Infinity, ...words.map((word) => ({ ...word, end: word.offset + word.text.length })));
    this.#draw(from, this.#blockAt(first.offset), this.#blockAt(Math.max(told, this.#words.at(-1).end)) + 1);
  }

  /** The word at this offset is being heard. */
  heard(offset) {
    const at = this.#words.findLastIndex((word) => word.offset <= offset);
    if (at < 0 || this.#words[at].offset !== offset) return;
    this.quiet();
    for (let i = this.#blockAt(this.#words[this.#heard]?.offset ?? 0); i < this.#blockAt(offset); i++) hear(this.#blocks[i].element.children);
    for (const { before, span } of this.#words.slice(this.#heard + 1, at + 1)) hear([before, span]);
    this.#heard = at;
    const { span } = this.#words[at];
    span.classList.add("now");
    this.#scrollTo(span);
  }

  /** Nothing is being heard any more. */
  quiet() {
    this.#words[this.#heard]?.span.classList.remove("now");
  }

  /** All of it has been heard. */
  done() {
    this.quiet();
    hear(this.#element.querySelectorAll(".coming"));
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
    this.#blocks = [];
  }

  #blockAt(offset) {
    return Math.max(0, this.#blocks.findLastIndex(({ begin }) => begin <= offset));
  }

  /** Draws blocks anew from the word `from` on. */
  #draw(from, first, behind) {
    let at = this.#words[from - 1]?.end ?? 0;
    for (let i = first; i < behind; i++) {
      const { begin, element } = this.#blocks[i];
      const end = this.#blocks[i + 1]?.begin ?? this.#text.length;
      const kept = this.#words[from - 1]?.span;
      while (element.lastChild && element.lastChild !== kept) element.lastChild.remove();
      at = Math.max(at, begin);
      for (let word; (word = this.#words[from]) && word.offset < end; from++) {
        word.before = this.#part(at, word.offset, from);
        word.span = this.#part(word.offset, word.end, from);
        element.append(word.before, word.span);
        at = word.end;
      }
      if (at < end) element.append(this.#part(at, end, from));
    }
  }

  /** Text that is heard by the time a word is. */
  #part(begin, end, word) {
    const span = document.createElement("span");
    span.textContent = this.#text.slice(begin, end);
    if (word > this.#heard) span.className = "coming";
    return span;
  }

  #scrollTo(span) {
    const box = this.#element;
    const below = span.offsetTop + span.offsetHeight - box.offsetTop - box.scrollTop - box.clientHeight;
    if (below > -24) box.scrollTop += below + 48;
  }
}
