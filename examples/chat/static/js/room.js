// One room as data: what was said, who is here, who types, and what is not sent yet.
//
// It tells what changed by events: "reset" (all is new), "entry" (one more line), "outbox", "people",
// "typing" and "state". A room that was left keeps what it has, and asks for the rest when it is
// entered again; the same goes for a connection that was lost.

import { NO_ANSWER, words } from "./words.js";

const SAY_TYPING_EVERY = 2_000;
const TYPING_LASTS = 4_000;

export class Room extends EventTarget {
  state = "away"; // then "joining", "joined", "rejoining" after a failure, or "refused"
  entries = []; // {kind: "message", message} and {kind: "notice", name, what}
  lastId = 0;
  people = new Set();
  typists = new Map(); // name -> the timer that ends it
  outbox = new Map(); // key -> draft
  draft = ""; // what is in the composer
  problem = ""; // why we are not let in

  #socket;
  #me;
  #channel = null;
  #isOpen = false;
  #saidTypingAt = 0;

  constructor(socket, name, me) {
    super();
    this.#socket = socket;
    this.name = name;
    this.#me = me;
  }

  // Coming and going.

  enter() {
    this.#isOpen = true;
    if (this.#channel) return;
    const channel = this.#socket.channel(`room:${this.name}`, () => ({ last_id: this.lastId }));
    const on = (event, callback) =>
      channel.on(event, (payload) => channel === this.#channel && callback(payload));
    on("message", (message) => this.#hear(message));
    on("joined", ({ name }) => this.#came(name));
    on("left", ({ name }) => this.#went(name));
    on("typing", ({ name }) => this.#types(name));
    on("phx_error", () => this.#lost());
    this.#channel = channel;
    this.#become("joining");
    channel
      .join() // these are called again whenever the client rejoins
      .receive("ok", (reply) => this.#joined(reply))
      .receive("error", (response) => this.#refused(response));
  }

  leave() {
    this.#isOpen = false;
    this.#leaveIfDone();
  }

  #leaveIfDone() {
    const isWaiting = [...this.outbox.values()].some((draft) => !draft.problem);
    if (this.#isOpen || isWaiting || !this.#channel) return; // what was written is sent first
    const channel = this.#channel;
    this.#channel = null;
    channel.leave();
    for (const name of this.typists.keys()) this.#stopsTyping(name);
    this.#become("away");
  }

  #joined({ messages, continues, people }) {
    this.people = new Set([this.#me, ...people]);
    this.#become("joined");
    this.#emit("people");
    if (continues) {
      for (const message of messages) this.#hear(message);
    } else {
      this.entries = [];
      this.lastId = 0;
      for (const message of messages) this.#keep(message);
      this.#emit("reset");
    }
    for (const draft of this.outbox.values()) if (!draft.problem) this.#push(draft);
    this.#leaveIfDone();
  }

  #lost() {
    for (const name of this.typists.keys()) this.#stopsTyping(name);
    this.#become("rejoining");
  }

  #refused(response) {
    if (response.reason === "join crashed") {
      this.#lost();
      return;
    }
    this.#channel.leave(); // or the client would try again and again
    this.#channel = null;
    this.problem = words(response);
    this.#become("refused");
  }

  // What is said.

  #hear(message) {
    if (message.id <= this.lastId) return;
    const entry = this.#keep(message);
    this.#stopsTyping(message.author);
    this.#emit("entry", entry);
    this.#leaveIfDone();
  }

  #keep(message) {
    const entry = { kind: "message", message };
    this.lastId = message.id;
    this.entries.push(entry);
    if (message.author === this.#me && this.outbox.delete(message.key)) this.#emit("outbox");
    return entry;
  }

  send(body) {
    const draft = { key: randomKey(), body, problem: "", push: null };
    this.outbox.set(draft.key, draft);
    this.#saidTypingAt = 0;
    this.#push(draft);
    this.#emit("outbox");
  }

  sendAgain(draft) {
    draft.problem = "";
    this.#push(draft);
    this.#emit("outbox");
  }

  discard(draft) {
    this.outbox.delete(draft.key);
    this.#emit("outbox");
  }

  // Sending the same message twice is harmless: the server knows it by its key.
  #push(draft) {
    if (this.state !== "joined") return; // it is sent when we are in again
    const push = this.#channel.push("message", { body: draft.body, key: draft.key });
    const failed = (problem) => {
      if (draft.push !== push || this.state !== "joined" || !this.outbox.has(draft.key)) return;
      draft.problem = problem;
      this.#emit("outbox");
      this.#leaveIfDone();
    };
    draft.push = push;
    push.receive("error", (response) => failed(words(response)));
    push.receive("timeout", () => failed(NO_ANSWER));
  }

  // Who is here, and what they do.

  #came(name) {
    if (this.people.has(name)) return;
    this.people.add(name);
    this.#note(name, "joined");
  }

  #went(name) {
    this.people.delete(name);
    this.#stopsTyping(name);
    this.#note(name, "left");
  }

  #note(name, what) {
    const entry = { kind: "notice", name, what };
    this.entries.push(entry);
    this.#emit("people");
    this.#emit("entry", entry);
  }

  sayTyping() {
    if (this.state !== "joined" || Date.now() - this.#saidTypingAt < SAY_TYPING_EVERY) return;
    this.#saidTypingAt = Date.now();
    this.#channel.push("typing", {});
  }

  #types(name) {
    clearTimeout(this.typists.get(name));
    this.typists.set(name, setTimeout(() => this.#stopsTyping(name), TYPING_LASTS));
    this.#emit("typing");
  }

  #stopsTyping(name) {
    clearTimeout(this.typists.get(name));
    if (this.typists.delete(name)) this.#emit("typing");
  }

  #become(state) {
    this.state = state;
    this.#emit("state");
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

// crypto.randomUUID would do, but exists only on https and on localhost.
function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}
