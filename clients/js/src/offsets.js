/** The wire counts code points, strings count UTF-16 units. */
export class Offsets {
  /** Code points so far. */
  length = 0;
  /** @type {number[]} those of two units, in order */
  #wide = [];

  /**
   * @param {string} text cut between characters
   * @param {number} [codepoint] where it stands; left out: behind the rest
   */
  add(text, codepoint = this.length) {
    const within = codepoint < this.length;
    for (const character of text) {
      if (character.length > 1) this.#wide.push(codepoint);
      codepoint++;
    }
    if (within) this.#wide.sort((a, b) => a - b);
    this.length = Math.max(this.length, codepoint);
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
