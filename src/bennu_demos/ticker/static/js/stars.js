// The watch list: the symbols with a star. The browser keeps it.

const KEY = "bennu.ticker.stars";

function stored() {
  try {
    const found = JSON.parse(localStorage.getItem(KEY));
    return Array.isArray(found) ? found.filter((symbol) => typeof symbol === "string") : [];
  } catch {
    return []; // someone has written something else there, or the browser keeps nothing
  }
}

export class Stars extends EventTarget {
  #symbols = new Set(stored());

  has(symbol) {
    return this.#symbols.has(symbol);
  }

  toggle(symbol) {
    if (!this.#symbols.delete(symbol)) this.#symbols.add(symbol);
    try {
      localStorage.setItem(KEY, JSON.stringify([...this.#symbols]));
    } catch {
      // the browser keeps nothing: the list lasts as long as the page
    }
    this.dispatchEvent(new Event("change"));
  }
}
