// Helpers for the document. They only make text nodes: this page never parses a text as HTML.

export const byId = (id) => document.getElementById(id);

/** Make an element with attributes and children. A string becomes a text node. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export function button(text, press, { name, kind = "small" } = {}) {
  const made = element("button", { type: "button", class: kind }, text);
  if (name) made.setAttribute("aria-label", name);
  made.addEventListener("click", press);
  return made;
}

/** Write a text, if it is another one. */
export function write(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** Rows that stay the same elements as long as their key is shown, so that a button in a row keeps the focus. */
export class Rows {
  #rows = new Map();

  /**
   * @param parent The element with the rows.
   * @param make Returns a row: `{ element, update(item) }`.
   */
  constructor(parent, make) {
    this.parent = parent;
    this.make = make;
  }

  /** @param items Pairs of a key and an item, in their order. */
  show(items) {
    const focused = this.parent.contains(document.activeElement) ? document.activeElement : null;
    const rows = new Map();
    for (const [key, item] of items) {
      const row = this.#rows.get(key) ?? this.make(item);
      row.update(item);
      rows.set(key, row);
    }
    for (const [key, row] of this.#rows) if (!rows.has(key)) row.element.remove();
    let place = this.parent.firstElementChild;
    for (const { element: row } of rows.values()) {
      if (row === place) place = place.nextElementSibling;
      else this.parent.insertBefore(row, place);
    }
    this.#rows = rows;
    if (focused?.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true });
  }
}
