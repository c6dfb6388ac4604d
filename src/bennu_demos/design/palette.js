// The colours of people: a palette, and the colour of each name.
//
// Any two of its 32 colours differ by at least 0.08 in OKLab. Each has a contrast of at least 4.5 to the page and to
// the letters on it. In a room with more than 32 people, some people share a colour.

const PALETTE = [ // [on a light page, on a dark page]
  ["#5d3ab2", "#8694fa"],
  ["#7f0b56", "#fabfca"],
  ["#441691", "#a371d3"],
  ["#044745", "#0bc18d"],
  ["#057918", "#3a9d4c"],
  ["#4e417f", "#babdfe"],
  ["#76061a", "#d7af88"],
  ["#1d6ea9", "#02f6f6"],
  ["#072c99", "#73aec6"],
  ["#587341", "#b8d259"],
  ["#093e6f", "#b2e1eb"],
  ["#975b62", "#a17d6f"],
  ["#aa3600", "#fcbf45"],
  ["#1e5979", "#07a19a"],
  ["#813a30", "#d79700"],
  ["#8057b1", "#ca8def"],
  ["#615e84", "#7684b1"],
  ["#11614d", "#81f4a8"],
  ["#114fba", "#3ed1f6"],
  ["#a83b9a", "#d56fb2"],
  ["#4f5fd5", "#069ce4"],
  ["#1d7779", "#81d1b3"],
  ["#7b406a", "#fc93af"],
  ["#552f41", "#d7606e"],
  ["#7c208d", "#bea0ba"],
  ["#5c3a02", "#928a07"],
  ["#5a1b6b", "#fea6fd"],
  ["#865812", "#dedba5"],
  ["#284700", "#93b33a"],
  ["#4f5903", "#9aa381"],
  ["#c0304c", "#d06e1d"],
  ["#a31b64", "#f8875a"],
];

export class Palette {
  /** The names of the people in the room. These names keep their colours. */
  here = new Set();
  #numbers = new Map(); // name -> number in the palette; the most recently used names are at the end

  /** The colour of a name, as CSS. All pages try the same colour first, so most people have the same one everywhere. */
  colour(name) {
    const number = this.#numbers.get(name) ?? this.#choose(name);
    this.#numbers.delete(name);
    this.#numbers.set(name, number);
    return `light-dark(${PALETTE[number].join(", ")})`;
  }

  #choose(name) {
    const taken = new Set(this.#numbers.values());
    const first = hash(name) % PALETTE.length;
    for (let step = 0; step < PALETTE.length; step += 1) {
      const number = (first + step) % PALETTE.length;
      if (!taken.has(number)) return number;
    }
    return this.#takeFromAnother() ?? first;
  }

  /** Take the number of the least recently used name that is not in the room. */
  #takeFromAnother() {
    for (const [name, number] of this.#numbers) {
      if (this.here.has(name)) continue;
      this.#numbers.delete(name);
      return number;
    }
    return null;
  }
}

/** Hash a text to a number (FNV-1a). */
function hash(text) {
  let result = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) result = Math.imul(result ^ byte, 0x01000193) >>> 0;
  return (result ^ (result >>> 15)) >>> 0;
}
