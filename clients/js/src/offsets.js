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
    return codepoint + this.#before((wide) => wide < codepoint);
  }

  /** @param {number} index within a pair of surrogates: the pair's */
  toCodepoint(index) {
    return index - this.#before((wide, before) => wide + before < index);
  }

  /**
   * How many wide characters come before: the condition holds for the first ones.
   * @param {(wide: number, before: number) => boolean} holds
   */
  #before(holds) {
    let low = 0;
    for (let high = this.#wide.length; low < high; ) {
      const middle = (low + high) >> 1;
      if (holds(this.#wide[middle], middle)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
