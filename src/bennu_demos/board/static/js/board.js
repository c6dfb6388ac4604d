// A board and its channel: operations go out one after another, changes and people come in.
//
// Events: "change" when the page has to show the board anew, "told" with a change of another person, "undone" with
// {request, response}, "people", and "state": "joining", "joined", "lost", "missing" or "refused".

import { Presence } from "../socket/phoenix.mjs";
import { recoverable } from "../socket/bennu.mjs";
import { me, newId } from "./me.js";
import { Model } from "./model.js";

const AGAIN_AFTER = 2_000; // milliseconds

export class Board extends EventTarget {
  model = new Model();
  state = "joining";
  /** The people on the board: {key, name, cards: the ids of the cards that they look at, isMe}. */
  people = [];
  #channel;
  #early = []; // changes that came before the board was loaded
  #loading = null;
  #sending = null; // the push of the operation that is on its way
  #isPaused = false;
  #card = null; // the card that this person looks at
  #me = null; // the key of this person
  #loaded = null;

  constructor(socket, id, isNew) {
    super();
    this.id = id;
    const params = () => ({ new: isNew, card: this.#card });
    this.#channel = recoverable(socket, `board:${id}`, params, { missed: () => this.#missed() });
    this.#channel.on("change", (change) => this.#hear(change));
    this.#channel.on("phx_error", () => this.#lost());
    this.#follow(new Presence(this.#channel.channel));
    this.#channel
      .join() // the callbacks are called again at each rejoin
      .receive("ok", ({ person }) => {
        isNew = false;
        this.#me = person;
        this.#joined();
      })
      .receive("error", (response) => this.#refused(response));
  }

  close() {
    this.state = "closed";
    this.#channel.leave();
  }

  #joined() {
    this.#become("joined");
    if (!this.model.isLoaded) this.#load();
    this.#sendNext();
  }

  #lost() {
    this.#sending = null;
    this.#loading = null;
    this.people = [];
    this.#emit("people");
    this.#become("lost");
  }

  #refused(response) {
    if (response.retry_after_ms || response.reason === "rate_limited") return; // phoenix.js tries again
    this.#channel.leave();
    this.#become(response.reason === "no_such_board" ? "missing" : "refused");
  }

  // The state of the board.

  #load() {
    if (this.#loading) return;
    const push = (this.#loading = this.#channel.push("load", {}));
    const then = (act) => (response) => {
      if (this.#loading !== push) return; // the connection was lost: the next join loads
      this.#loading = null;
      act(response);
    };
    const again = ({ retry_after_ms: wait = AGAIN_AFTER } = {}) => setTimeout(() => this.state === "joined" && this.#load(), wait);
    push
      .receive("ok", then((board) => this.#take(board)))
      .receive("error", then(again))
      .receive("timeout", then(again));
  }

  #take(board) {
    this.model.load(board);
    for (const change of this.#early.splice(0)) this.model.take(change);
    this.#loaded?.(board.position);
    this.#loaded = null;
    this.#emit("change");
  }

  /** Changes are lost for good: load the board anew. Later changes wait in bennu.mjs until the promise is resolved. */
  #missed() {
    this.#early = [];
    return new Promise((resolve) => {
      this.#loaded = resolve;
      this.#load();
    });
  }

  #hear(change) {
    if (!this.model.isLoaded) {
      this.#early.push(change);
      return;
    }
    const isMine = this.model.waiting.some(({ op }) => op === change.op);
    if (!this.model.take(change)) return;
    this.#emit("change");
    if (!isMine && change.by !== me.name) this.#emit("told", change);
  }

  // Operations. One is sent at a time, so their order stays. To send one twice is harmless: the server knows its id.

  /** Show an operation at once, and send it. */
  do(operation) {
    this.model.waiting.push({ op: newId(), do: operation });
    this.#emit("change");
    this.#sendNext();
  }

  #sendNext() {
    const request = this.model.waiting.find(({ version }) => version === undefined);
    if (!request || this.#sending || this.#isPaused || this.state !== "joined") return;
    const push = this.#channel.push("do", { op: request.op, do: request.do });
    const then = (act) => (response) => {
      if (this.#sending !== push) return; // the connection was lost, and the operation is sent again
      this.#sending = null;
      act(response);
      this.#sendNext();
    };
    this.#sending = push;
    push
      .receive("ok", then(({ version }) => {
        this.model.done(request, version);
        this.#emit("change");
      }))
      .receive("error", then((response) => this.#notDone(request, response)))
      .receive("timeout", then(() => {})); // it may be done: the same id is sent again
  }

  #notDone(request, response) {
    if (response.retry_after_ms || response.reason === "still_running") {
      this.#isPaused = true;
      setTimeout(() => {
        this.#isPaused = false;
        this.#sendNext();
      }, response.retry_after_ms ?? AGAIN_AFTER);
      return;
    }
    this.model.undo(request.op);
    this.#emit("change");
    this.#emit("undone", { request, response });
  }

  // People.

  /** Tell the others which card this person looks at; null for none. */
  look(card) {
    if (card === this.#card) return;
    this.#card = card;
    if (this.state === "joined") this.#channel.push("look", { card });
  }

  #follow(presence) {
    presence.onSync(() => {
      this.people = presence.list((key, { metas }) => ({
        key,
        name: metas[0].name,
        cards: new Set(metas.map(({ card }) => card).filter(Boolean)),
        isMe: key === this.#me,
      }));
      this.#emit("people");
    });
  }

  /** The names of the others who look at each card: a Map from the id of the card. */
  looking() {
    const names = new Map();
    for (const { name, cards, isMe } of this.people) {
      if (isMe) continue;
      for (const card of cards) names.set(card, [...(names.get(card) ?? []), name]);
    }
    return names;
  }

  lookingAt(card) {
    return this.looking().get(card) ?? [];
  }

  #become(state) {
    if (this.state === "closed") return;
    this.state = state;
    this.#emit("state");
  }

  #emit(type, detail) {
    if (this.state !== "closed") this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
