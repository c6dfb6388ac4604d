// Shows a board in the document. Elements stay the same from one rendering to the next, so focus and drags survive.

import { byId, element, isolated } from "../design/dom.js";
import { avatar } from "../design/people.js";

const MOST_FACES = 3;
const SVG = "http://www.w3.org/2000/svg";
const GRIP = "M7.5 5h.01M12.5 5h.01M7.5 10h.01M12.5 10h.01M7.5 15h.01M12.5 15h.01";
const CROSS = "M5.5 5.5l9 9M14.5 5.5l-9 9";
const LINES = "M4 6h12M4 10h12M4 14h7";

function icon(path) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

const iconButton = (name, path) => element("button", { type: "button", class: `icon-button ${name}` }, icon(path));

/** A row of avatars, with the number of those that are not shown. */
export function faces(box, names, most = MOST_FACES) {
  const key = names.join("\n");
  if (box.dataset.names === key) return;
  box.dataset.names = key;
  box.replaceChildren(...names.slice(0, most).map(small));
  if (names.length > most) box.append(element("span", { class: "avatar small more" }, `+${names.length - most}`));
}

export function small(name) {
  const made = avatar(name);
  made.classList.add("small");
  return made;
}

class Tile {
  constructor(id) {
    this.title = element("bdi", { dir: "auto" });
    this.open = element("button", { type: "button", class: "tile-open" }, this.title);
    this.move = iconButton("move", GRIP);
    this.mark = element("span", { class: "tile-mark", title: "Has a description" }, icon(LINES));
    this.faces = element("span", { class: "faces tile-faces" });
    this.here = element("span", { class: "visually-hidden" });
    this.root = element("li", { class: "tile", "data-id": id }, this.open, this.move);
    this.root.append(element("span", { class: "tile-foot" }, this.mark, this.faces, this.here));
  }

  show({ title, text, isWaiting }, names) {
    setText(this.title, title);
    setLabel(this.move, `Move the card ${title}`);
    this.mark.hidden = !text;
    this.root.classList.toggle("waiting", Boolean(isWaiting));
    faces(this.faces, names);
    setText(this.here, names.length ? `Open at ${names.join(", ")}` : "");
  }
}

class Lane {
  constructor(id) {
    this.move = iconButton("move", GRIP);
    this.title = element("input", { class: "lane-title", maxlength: "200", dir: "auto" });
    this.count = element("span", { class: "lane-count", "aria-hidden": "true" });
    this.remove = iconButton("lane-remove", CROSS);
    this.tiles = element("ol", { class: "tiles" });
    this.field = element("input", { class: "input", placeholder: "Add a card", maxlength: "200", dir: "auto" });
    this.form = element("form", { class: "tile-new", autocomplete: "off" }, this.field);
    const head = element("div", { class: "lane-head" }, this.move, this.title, this.count, this.remove);
    this.root = element("li", { class: "lane", "data-id": id }, head, this.tiles, this.form);
  }

  show({ title, cards, isWaiting }) {
    if (document.activeElement !== this.title) this.title.value = title;
    setText(this.count, String(cards.length));
    setLabel(this.title, `Name of the list ${title}`);
    setLabel(this.move, `Move the list ${title}`);
    setLabel(this.remove, `Remove the list ${title}`);
    setLabel(this.tiles, title);
    setLabel(this.field, `New card in ${title}`);
    this.root.classList.toggle("waiting", Boolean(isWaiting));
  }
}

export class View {
  /** The id of the card or list that a pointer drags: it stays where the pointer has put it. */
  held = null;
  /** Whether elements are moving in the document: then a loss of focus means nothing. */
  isRendering = false;
  #lanes = new Map(); // id -> Lane
  #tiles = new Map(); // id -> Tile
  #onLane;

  /** @param onLane Is called with the id and the element of the cards of each new list. */
  constructor(onLane) {
    this.#onLane = onLane;
  }

  render({ title, lists }, looking) {
    this.isRendering = true;
    const focused = document.activeElement;
    const name = byId("board-title");
    if (focused !== name) name.value = title;
    document.title = `${isolated(title)} · Task board`;
    this.#arrange(byId("lanes"), lists.map((list) => this.#lane(list)), this.#lanes.get(this.held));
    for (const list of lists) {
      const tiles = list.cards.map((card) => this.#tile(card, looking.get(card.id) ?? []));
      this.#arrange(this.#lanes.get(list.id).tiles, tiles, this.#tiles.get(this.held));
    }
    this.#forget(this.#lanes, new Set(lists.map(({ id }) => id)));
    this.#forget(this.#tiles, new Set(lists.flatMap(({ cards }) => cards.map(({ id }) => id))));
    if (focused !== document.activeElement && focused?.isConnected) focused.focus({ preventScroll: true });
    this.isRendering = false;
  }

  /** The button that moves a card or a list with the keyboard. */
  moveButton(id) {
    return (this.#tiles.get(id) ?? this.#lanes.get(id))?.move;
  }

  openButton(id) {
    return this.#tiles.get(id)?.open;
  }

  clear() {
    this.#forget(this.#lanes, new Set());
    this.#forget(this.#tiles, new Set());
  }

  #lane(list) {
    if (!this.#lanes.has(list.id)) {
      const lane = new Lane(list.id);
      this.#lanes.set(list.id, lane);
      this.#onLane(list.id, lane);
    }
    this.#lanes.get(list.id).show(list);
    return this.#lanes.get(list.id);
  }

  #tile(card, names) {
    if (!this.#tiles.has(card.id)) this.#tiles.set(card.id, new Tile(card.id));
    this.#tiles.get(card.id).show(card, names);
    return this.#tiles.get(card.id);
  }

  #arrange(box, parts, held) {
    let at = box.firstElementChild;
    for (const part of parts) {
      if (part === held) continue;
      while (at && at === held?.root) at = at.nextElementSibling;
      if (at === part.root) at = at.nextElementSibling;
      else box.insertBefore(part.root, at);
    }
    if (held && !held.root.isConnected && parts.includes(held)) box.append(held.root);
  }

  #forget(parts, kept) {
    for (const [id, part] of parts) {
      if (kept.has(id) || id === this.held) continue;
      part.root.remove();
      parts.delete(id);
    }
  }
}

function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

function setLabel(target, label) {
  if (target.getAttribute("aria-label") !== label) target.setAttribute("aria-label", label);
}
