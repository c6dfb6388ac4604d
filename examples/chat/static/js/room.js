// The data of a room: its messages, the people who type, and unsent messages. Its Presences have the people.
//
// Events report changes: "reset" (all entries are new), "entry" (one new entry), "outbox", "typing" and "state".
// A room that was left keeps its messages, and asks for the missing ones when it is entered again. It does the same
// after a lost connection.

import { Presences } from "./presences.js";
import { NO_ANSWER, words } from "./words.js";

const SAY_TYPING_EVERY = 2_000;
const TYPING_LASTS = 4_000;
const TRIED_AGAIN = new Set(["join crashed", "rate_limited"]); // phoenix.js repeats such a join itself

export class Room extends EventTarget {
  state = "away"; // then "joining", "joined", "rejoining" after a failure, or "refused"
  entries = []; // {kind: "message", message} and {kind: "notice", name, what}
  lastId = 0;
  typists = new Map(); // name -> the timer that ends the typing
  outbox = new Map(); // key -> draft
  draft = ""; // the text in the composer
  problem = ""; // why the join was refused
  isPaused = false; // whether messages wait, because the server's rate was exceeded

  #socket;
  #me;
  #attention;
  #channel = null;
  #isOpen = false;
  #sending = null; // the push of the message that is being sent
  #saidTypingAt = 0;
  #saidStatus = "";

  constructor(socket, name, me, attention) {
    super();
    this.#socket = socket;
    this.name = name;
    this.#me = me;
    this.#attention = attention;
    this.presences = new Presences(me);
    this.presences.addEventListener("notice", ({ detail }) => this.#note(detail));
    attention.addEventListener("status", () => this.#sayStatus());
  }

  // Joining and leaving.

  enter() {
    this.#isOpen = true;
    if (this.#channel) return;
    const channel = this.#socket.channel(`room:${this.name}`, () => ({
      last_id: this.lastId,
      status: (this.#saidStatus = this.#attention.status),
    }));
    const on = (event, callback) =>
      channel.on(event, (payload) => channel === this.#channel && callback(payload));
    on("message", (message) => this.#hear(message));
    on("typing", ({ name }) => this.#types(name));
    on("phx_error", () => this.#lost());
    this.presences.follow(channel);
    this.#channel = channel;
    this.#become("joining");
    channel
      .join() // the callbacks are called again at each rejoin
      .receive("ok", (reply) => this.#joined(reply))
      .receive("error", (response) => this.#refused(response));
  }

  leave() {
    this.#isOpen = false;
    this.#leaveIfDone();
  }

  #leaveIfDone() {
    const isWaiting = [...this.outbox.values()].some((draft) => !draft.problem);
    if (this.#isOpen || isWaiting || !this.#channel) return; // unsent messages are sent first
    const channel = this.#channel;
    this.#channel = null;
    this.#sending = null;
    channel.leave();
    this.presences.forget();
    for (const name of this.typists.keys()) this.#stopsTyping(name);
    this.#become("away");
  }

  #joined({ messages, continues, recent }) {
    this.presences.remember(recent);
    this.#become("joined");
    this.#sayStatus();
    if (continues) {
      for (const message of messages) this.#hear(message);
    } else {
      this.entries = [];
      this.lastId = 0;
      for (const message of messages) this.#keep(message);
      this.#emit("reset");
    }
    this.#sendNext();
    this.#leaveIfDone();
  }

  #lost() {
    this.#sending = null;
    this.presences.lose();
    for (const name of this.typists.keys()) this.#stopsTyping(name);
    this.#become("rejoining");
  }

  #refused(response) {
    if (TRIED_AGAIN.has(response.reason)) {
      this.#lost();
      return;
    }
    this.#channel.leave(); // otherwise phoenix.js would join again and again
    this.#channel = null;
    this.presences.forget();
    this.problem = words(response);
    this.#become("refused");
  }

  // Messages.

  #hear(message) {
    if (message.id <= this.lastId) {
      this.#hearLate(message);
      return;
    }
    const entry = this.#keep(message);
    this.#stopsTyping(message.author);
    this.#emit("entry", entry);
    this.#leaveIfDone();
  }

  // The messages of two servers can arrive in another order than that of their ids. A late message goes to its place.
  #hearLate(message) {
    const place = this.entries.findIndex((entry) => entry.message?.id >= message.id);
    if (this.entries[place].message.id === message.id) return; // the page has it
    this.#keep(message, place);
    this.#emit("reset");
  }

  #keep(message, place = this.entries.length) {
    const entry = { kind: "message", message };
    this.lastId = Math.max(this.lastId, message.id);
    this.entries.splice(place, 0, entry);
    if (message.author === this.#me && this.outbox.delete(message.key)) this.#emit("outbox");
    return entry;
  }

  send(body) {
    const draft = { key: randomKey(), body, problem: "" };
    this.outbox.set(draft.key, draft);
    this.#saidTypingAt = 0;
    this.#sendNext();
    this.#emit("outbox");
  }

  sendAgain(draft) {
    draft.problem = "";
    this.#sendNext();
    this.#emit("outbox");
  }

  discard(draft) {
    this.outbox.delete(draft.key);
    this.#emit("outbox");
  }

  // One message is sent at a time, so that messages keep their order if one has to wait. Sending a message twice is
  // harmless, because the server recognises its key.
  #sendNext() {
    const draft = [...this.outbox.values()].find(({ problem }) => !problem);
    if (!draft || this.#sending || this.isPaused || this.state !== "joined") return;
    const push = this.#channel.push("message", { body: draft.body, key: draft.key });
    const then = (act) => (response) => {
      if (this.#sending !== push) return; // the connection was lost, and the message is sent again
      this.#sending = null;
      act(response);
      this.#emit("outbox");
      this.#sendNext();
      this.#leaveIfDone();
    };
    this.#sending = push;
    push
      .receive("ok", then(() => this.outbox.delete(draft.key)))
      .receive("error", then((response) => this.#notSent(draft, response)))
      .receive("timeout", then(() => (draft.problem = NO_ANSWER)));
  }

  #notSent(draft, response) {
    if (response.reason === "rate_limited") this.#pause(response.retry_after_ms);
    else draft.problem = words(response);
  }

  #pause(milliseconds) {
    this.isPaused = true;
    setTimeout(() => {
      this.isPaused = false;
      this.#sendNext();
      this.#emit("outbox");
    }, milliseconds);
  }

  // Notices, status and typing.

  #note({ name, what }) {
    if (what === "left") this.#stopsTyping(name);
    const entry = { kind: "notice", name, what };
    this.entries.push(entry);
    this.#emit("entry", entry);
  }

  /** Send the status of this page, if it has changed since the join or the last status. */
  #sayStatus() {
    const { status } = this.#attention;
    if (this.state !== "joined" || status === this.#saidStatus) return;
    this.#saidStatus = status;
    this.#channel.push("status", { status }).receive("error", ({ retry_after_ms: wait }) => {
      this.#saidStatus = "";
      if (wait) setTimeout(() => this.#sayStatus(), wait);
    });
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

// crypto.randomUUID exists only on https and on localhost.
function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}
