/**
 * The wire counts code points, JavaScript strings UTF-16 units. Only characters beyond the first plane make a
 * difference, so where these are is all that is kept of a text.
 */
export class Offsets {
  /** Code points so far. */
  length = 0;
  /** @type {number[]} the code points, in order, that are two units long */
  #wide = [];

  /** @param {string} text what follows; no pair of surrogates lies across its ends */
  add(text) {
    for (let unit = 0; unit < text.length; unit++, this.length++) {
      if (/** @type {number} */ (text.codePointAt(unit)) > 0xffff) {
        this.#wide.push(this.length);
        unit++;
      }
    }
  }

  /** @param {number} codepoint */
  toIndex(codepoint) {
    return codepoint + this.#before((wide) => wide < codepoint);
  }

  /** @param {number} index one within a pair of surrogates counts as the pair's */
  toCodepoint(index) {
    return index - this.#before((wide, before) => wide + before < index);
  }

  /**
   * How many wide characters come before: the first ones, of which the condition holds.
   * @param {(wide: number, before: number) => boolean} holds
   */
  #before(holds) {
    let low = 0;
    let high = this.#wide.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (holds(this.#wide[middle], middle)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
