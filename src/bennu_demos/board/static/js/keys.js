// Moves with the keyboard: a move button begins, arrows move, Enter drops, Escape cancels. A live line says the place.

import { byId, isolated } from "../design/dom.js";
import { spotOf } from "./model.js";

const STEPS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

export class KeyMoves {
  #board = null;
  #view;
  #render;
  #id = null; // the card or list that moves
  #name = "";

  constructor(view, render) {
    this.#view = view;
    this.#render = render;
    addEventListener("keydown", (event) => this.#key(event), true);
    addEventListener("focusin", () => !this.#view.isRendering && this.#id && document.activeElement !== this.#button && this.cancel());
    byId("lanes").addEventListener("click", (event) => {
      const button = event.target.closest(".move");
      if (button) this.#toggle(button.closest("[data-id]").dataset.id);
    });
  }

  get isMoving() {
    return this.#id !== null;
  }

  get #button() {
    return this.#view.moveButton(this.#id);
  }

  follow(board) {
    this.#end();
    this.#board = board;
  }

  /** Call this after each change: another person can have removed what moves here. */
  check() {
    if (this.#id && !this.#find()) this.#stop(`${this.#name} is gone: someone has removed it.`);
  }

  cancel() {
    if (this.#id) this.#stop(`Canceled. ${this.#name} is back in its place.`);
  }

  #toggle(id) {
    if (this.#id === id) {
      this.#drop();
      return;
    }
    this.cancel();
    this.#id = id;
    this.#name = isolated(this.#find()?.item.title ?? "");
    this.#button.classList.add("moving");
    this.#button.focus();
    say(`Moving ${this.#name}. Use the arrow keys, Enter to drop, Escape to cancel.`, true);
  }

  #key(event) {
    if (!this.#id) return;
    if (event.key in STEPS) this.#step(...STEPS[event.key]);
    else if (event.key === "Escape") this.cancel();
    else if (event.key === "Enter" || event.key === " ") this.#drop();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Where the thing is now: {item, lists, index of its list, index in it}. */
  #find() {
    const { lists } = this.#board.model.view();
    const column = lists.findIndex(({ id, cards }) => id === this.#id || cards.some((card) => card.id === this.#id));
    if (column < 0) return null;
    const list = lists[column];
    if (list.id === this.#id) return { item: list, lists, column, row: -1 };
    const row = list.cards.findIndex(({ id }) => id === this.#id);
    return { item: list.cards[row], lists, column, row };
  }

  #step(right, down) {
    const { item, lists, column, row } = this.#find();
    const to = Math.max(0, Math.min(lists.length - 1, column + right));
    if (row < 0) {
      const ids = lists.map(({ id }) => id).filter((id) => id !== this.#id);
      ids.splice(to, 0, this.#id);
      this.#show({ kind: "move_list", list: this.#id, spot: spotOf(ids, this.#id) });
      say(`${isolated(item.title)}: list ${to + 1} of ${lists.length}`, true);
      return;
    }
    const ids = lists[to].cards.map(({ id }) => id).filter((id) => id !== this.#id);
    const index = Math.max(0, Math.min(ids.length, row + down));
    ids.splice(index, 0, this.#id);
    this.#show({ kind: "move_card", card: this.#id, list: lists[to].id, spot: spotOf(ids, this.#id) });
    say(`${isolated(item.title)}: ${isolated(lists[to].title)}, place ${index + 1} of ${ids.length}`, true);
  }

  #show(draft) {
    this.#board.model.draft = draft;
    this.#render();
    this.#button.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  #drop() {
    const { draft } = this.#board.model;
    this.#stop(draft ? `Dropped ${this.#name}.` : `${this.#name} was not moved.`);
    if (draft) this.#board.do(draft);
  }

  #stop(text) {
    this.#end();
    this.#render();
    say(text, false);
  }

  #end() {
    this.#button?.classList.remove("moving");
    this.#id = null;
    if (this.#board) this.#board.model.draft = null;
  }
}

/** Say something to a screen reader; a text that stays is also shown. */
function say(text, isShown) {
  byId("said").textContent = text;
  byId("said").classList.toggle("shown", isShown);
}
