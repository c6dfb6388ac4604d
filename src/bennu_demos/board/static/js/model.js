// The board as a value: what the server has confirmed, and what this page wants on top of it. No network, no document.
//
// The page shows the confirmed board with all waiting operations applied. To undo one, it is taken out of the list:
// the operations after it are applied again.

export class Model {
  version = -1;
  title = "";
  #lists = new Map(); // id -> {id, key, title}
  #cards = new Map(); // id -> {id, list, key, title, text, edited}
  /** The waiting operations, the oldest first: {op, do, version}. `version` is there when the server has done it. */
  waiting = [];
  /** A move with the keyboard that is not dropped yet: an operation that is shown and not sent. */
  draft = null;

  get isLoaded() {
    return this.version >= 0;
  }

  /** Take a whole board from the server. */
  load({ version, title, lists, cards }) {
    this.version = version;
    this.title = title;
    this.#lists = new Map(lists.map((row) => [row.id, row]));
    this.#cards = new Map(cards.map((row) => [row.id, row]));
    this.#settle();
  }

  /** Take a change from the server. Changes come in order; one that the board contains already is ignored. */
  take({ version, title, lists = [], cards = [], places = [], gone = [] }) {
    if (version <= this.version) return false;
    this.version = version;
    this.title = title ?? this.title;
    for (const row of lists) this.#lists.set(row.id, row);
    for (const row of cards) this.#cards.set(row.id, row);
    for (const place of places) this.#cards.set(place.id, { ...this.#cards.get(place.id), ...place });
    for (const id of gone) {
      this.#lists.delete(id);
      this.#cards.delete(id);
    }
    for (const [id, { list }] of this.#cards) if (!this.#lists.has(list)) this.#cards.delete(id);
    this.#settle();
    return true;
  }

  /** The server has done an operation: it waits until the change has come too. So nothing flickers in between. */
  done(request, version) {
    request.version = version;
    const { kind, card, seen = 0 } = request.do;
    if (kind === "add_card" || kind === "edit_card") {
      // This person has edited the card again meanwhile, beginning with these texts.
      for (const later of this.waiting) {
        if (later.do.kind === "edit_card" && later.do.card === card && later.version === undefined && later.do.seen === seen) {
          later.do.seen = version;
        }
      }
    }
    this.#settle();
  }

  /** The version of the texts of a card, as this page shows them; 0 for a card that the server does not have yet. */
  edited(id) {
    const isOfTexts = ({ do: { kind, card } }) => card === id && (kind === "add_card" || kind === "edit_card");
    const last = this.waiting.findLast(isOfTexts);
    return last ? (last.version ?? last.do.seen ?? 0) : (this.#cards.get(id)?.edited ?? 0);
  }

  /** Undo an operation. */
  undo(op) {
    this.waiting = this.waiting.filter((waiting) => waiting.op !== op);
  }

  #settle() {
    this.waiting = this.waiting.filter(({ version }) => version === undefined || version > this.version);
  }

  card(id) {
    return this.#cards.get(id);
  }

  /** What the page shows: {title, lists: [{id, title, cards: [{id, title, text, ...}]}]}. */
  view() {
    const byKey = (a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0); // not localeCompare: keys are no words
    const lists = [...this.#lists.values()].sort(byKey).map((row) => ({ ...row, cards: [] }));
    const byId = new Map(lists.map((list) => [list.id, list]));
    for (const card of [...this.#cards.values()].sort(byKey)) byId.get(card.list)?.cards.push({ ...card });
    const view = { title: this.title, lists };
    for (const { do: operation } of this.waiting) apply(view, operation, true);
    if (this.draft) apply(view, this.draft, false);
    return view;
  }
}

/** The place of an item among its neighbours, for the server: `ids` with the item in its new place. */
export function spotOf(ids, id) {
  const index = ids.indexOf(id);
  return { after: ids[index - 1] ?? null, before: ids[index + 1] ?? null };
}

/** Where to insert, by the rules of the server's `index_of`. */
function indexOf({ after, before }, items) {
  const find = (id) => items.findIndex((item) => item.id === id);
  if (after && find(after) >= 0) return find(after) + 1;
  if (before && find(before) >= 0) return find(before);
  return !after && before ? 0 : items.length;
}

const insert = (items, item, spot) => items.splice(indexOf(spot, items), 0, item);

function takeOut(items, id) {
  const index = items.findIndex((item) => item.id === id);
  return index < 0 ? null : items.splice(index, 1)[0];
}

/** Apply an operation to a view. What it is about can be gone: then it has no effect, and the server will refuse it. */
function apply(view, operation, isWaiting) {
  const list = view.lists.find(({ id }) => id === operation.list);
  const home = view.lists.find(({ cards }) => cards.some(({ id }) => id === operation.card));
  const card = home?.cards.find(({ id }) => id === operation.card);
  switch (operation.kind) {
    case "rename_board":
      view.title = operation.title;
      break;
    case "add_list":
      if (!list) view.lists.push({ id: operation.list, title: operation.title, cards: [], isWaiting });
      break;
    case "rename_list":
      if (list) Object.assign(list, { title: operation.title, isWaiting });
      break;
    case "move_list":
      if (list) insert(view.lists, Object.assign(takeOut(view.lists, list.id), { isWaiting }), operation.spot);
      break;
    case "remove_list":
      takeOut(view.lists, operation.list);
      break;
    case "add_card":
      if (list && !card) list.cards.push({ id: operation.card, list: list.id, title: operation.title, text: "", isWaiting });
      break;
    case "edit_card":
      if (card) Object.assign(card, { title: operation.title, text: operation.text, isWaiting });
      break;
    case "move_card":
      if (card && list) insert(list.cards, Object.assign(takeOut(home.cards, card.id), { list: list.id, isWaiting }), operation.spot);
      break;
    case "remove_card":
      if (home) takeOut(home.cards, operation.card);
      break;
    default:
      throw new Error(`an operation without a case: ${operation.kind}`);
  }
}
