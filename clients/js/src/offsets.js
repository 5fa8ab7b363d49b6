/** The wire counts code points, strings UTF-16 units: the difference are the characters beyond the first plane. */
export class Offsets {
  /** Code points so far. */
  length = 0;
  /** @type {number[]} the code points that are two units long, in order */
  #wide = [];

  /** @param {string} text that follows, cut between characters */
  add(text) {
    for (const character of text) {
      if (character.length > 1) this.#wide.push(this.length);
      this.length++;
    }
  }

  /** @param {number} codepoint */
  toIndex(codepoint) {
    let before = 0;
    for (let end = this.#wide.length; before < end; ) {
      const middle = (before + end) >> 1;
      if (this.#wide[middle] < codepoint) before = middle + 1;
      else end = middle;
    }
    return codepoint + before;
  }
}
