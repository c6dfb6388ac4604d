// The dialog of a card: its texts, its list, and the people who look at it too.

import { byId, element, isolated } from "../design/dom.js";
import { list as listNames } from "../design/people.js";
import { faces } from "./view.js";

const dialog = byId("card-dialog");
const title = byId("card-title");
const text = byId("card-text");
const select = byId("card-list");
const notice = byId("card-notice");

export class CardDialog {
  /** The id of the card that is open; null if none. */
  card = null;
  #board;
  #base = null; // {title, text}: what the fields began with
  #seen = 0; // the version of these texts
  #closed;

  /** @param closed Is called with the id of the card after the dialog has closed. */
  constructor(closed) {
    this.#closed = closed;
    byId("card-cancel").addEventListener("click", () => dialog.close());
    byId("card-remove").addEventListener("click", () => {
      const { card } = this;
      dialog.close();
      this.#board.do({ kind: "remove_card", card });
    });
    byId("card-form").addEventListener("submit", () => this.#save());
    dialog.addEventListener("close", () => {
      const { card } = this;
      this.card = null;
      this.#board.look(null);
      this.#closed(card);
    });
  }

  /** Open a card. @param texts {title, text, edited, notice}: texts that the server has refused, to try again. */
  open(board, id, texts = null) {
    const card = find(board, id);
    if (!card || this.card) return;
    this.card = id;
    this.#board = board;
    this.#base = { title: card.title, text: card.text };
    this.#seen = texts?.edited ?? board.model.edited(id);
    title.value = texts?.title ?? card.title;
    text.value = texts?.text ?? card.text;
    this.#tell(texts?.notice ?? "");
    const lists = board.model.view().lists;
    select.replaceChildren(...lists.map((list) => element("option", { value: list.id }, list.title)));
    select.value = card.list;
    board.look(id);
    this.showPeople();
    dialog.showModal();
  }

  /** Call this after each change of the board. Returns whether the card is gone. */
  update() {
    if (!this.card || !dialog.open) return false;
    const card = find(this.#board, this.card);
    if (!card) {
      dialog.close();
      return true;
    }
    const edited = this.#board.model.edited(this.card);
    if (edited === this.#seen) return false;
    this.#seen = edited;
    if (title.value === this.#base.title && text.value === this.#base.text) {
      title.value = card.title;
      text.value = card.text;
    } else {
      this.#tell(`Someone has changed this card to “${isolated(card.title)}”. If you save, your text replaces theirs.`);
    }
    this.#base = { title: card.title, text: card.text };
    return false;
  }

  showPeople() {
    if (!this.card) return;
    const names = this.#board.lookingAt(this.card);
    const box = byId("card-here");
    const line = element("span", { class: "faces" });
    faces(line, names, 5);
    box.replaceChildren(line, names.length ? `${listNames(names)} also ${names.length === 1 ? "looks" : "look"} at this card` : "Only you look at this card");
  }

  #save() {
    const card = find(this.#board, this.card);
    if (!card) return;
    const wanted = { title: title.value.trim(), text: text.value };
    if (!wanted.title) return;
    if (wanted.title !== card.title || wanted.text !== card.text) {
      this.#board.do({ kind: "edit_card", card: card.id, ...wanted, seen: this.#seen });
    }
    if (select.value !== card.list) {
      const last = this.#board.model.view().lists.find(({ id }) => id === select.value)?.cards.at(-1);
      this.#board.do({ kind: "move_card", card: card.id, list: select.value, spot: { after: last?.id ?? null, before: null } });
    }
  }

  #tell(words) {
    notice.textContent = words;
    notice.hidden = !words;
  }
}

const find = (board, id) => board.model.view().lists.flatMap(({ cards }) => cards).find((card) => card.id === id);
