// The data of a room: its messages, the people who type, and unsent messages. Its Presences have the people.
//
// Events report changes: "reset" (all entries are new), "older" (entries were added above), "entry" (one new entry),
// "changed" (a message was edited or removed), "reads", "outbox", "typing" and "state".
//
// The latest messages are loaded once. After that each message comes through the history of the channel, also after a
// lost connection, or when a room that was left is entered again: the page keeps its messages, and the position up to
// which it has them. If messages are lost for good, `missed` loads the latest messages anew. Older messages are loaded
// when the reader scrolls up.

import { recoverable } from "../socket/bennu.mjs";
import { Presences } from "./presences.js";
import { ask } from "./rooms.js";
import { NO_ANSWER, words } from "./words.js";

const PAGE = 50; // the server sends so many messages at once, see PAGE in messages.py
const LOAD_AGAIN_AFTER = 2_000;
const SAY_TYPING_EVERY = 2_000;
const TYPING_LASTS = 4_000;
const SAY_READ_EVERY = 1_000;
// phoenix.js repeats such a join itself.
const TRIED_AGAIN = new Set(["history_unavailable", "join crashed", "rate_limited"]);

export class Room extends EventTarget {
  state = "away"; // then "joining", "joined", "rejoining" after a failure, or "refused"
  entries = []; // {kind: "message", message} and {kind: "notice", name, what}
  isLoaded = false; // whether the latest messages are loaded
  hasOlder = false; // whether the server has older messages
  isLoadingOlder = false;
  lastId = 0; // of the newest message
  typists = new Map(); // name -> the timer that ends the typing
  outbox = new Map(); // key -> draft
  draft = ""; // the text in the composer
  problem = ""; // why the join was refused
  pause = ""; // why messages wait, if the server said when to send them again
  mayModerate = false;
  reads = new Map(); // in a private room: name -> the id of the last message that this person has read

  #socket;
  #me;
  #attention;
  #channel = null;
  #position; // up to where the page has the messages, while it is not in the room
  #early = []; // messages that came before the latest messages were loaded
  #loading = null; // the push that loads the latest messages
  #loaded = null; // resolves the promise of `missed`
  #isOpen = false;
  #sending = null; // the push of the message that is being sent
  #saidTypingAt = 0;
  #saidStatus = "";
  #saidRead = 0; // the id of the last message that the server knows as read
  #readTimer = null;

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
    const params = () => ({ status: (this.#saidStatus = this.#attention.status) });
    const channel = recoverable(this.#socket, `room:${this.name}`, params, {
      missed: () => this.#missed(),
      position: this.#position,
    });
    const on = (event, callback) =>
      channel.on(event, (payload) => channel === this.#channel && callback(payload));
    on("message", (message) => this.#hear(message));
    on("changed", (message) => this.#changed(message));
    on("typing", ({ name }) => this.#types(name));
    on("read", ({ name, id }) => this.#wasRead(name, id));
    on("kicked", ({ until }) => this.end(words({ reason: "kicked", until })));
    on("phx_error", () => this.#lost());
    this.presences.follow(channel.channel);
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
    this.#position = (this.isLoaded && channel.position) || undefined;
    this.isLoaded = this.#position !== undefined;
    this.#channel = null;
    this.#sending = null;
    this.#stopLoading();
    channel.leave();
    this.presences.forget();
    for (const name of this.typists.keys()) this.#stopsTyping(name);
    this.#become("away");
  }

  /** The server has ended the channel, or this person is in the room no more. */
  end(problem) {
    this.#channel?.leave();
    this.#channel = null;
    this.#sending = null;
    this.isLoaded = false;
    this.#stopLoading();
    this.presences.forget();
    this.problem = problem;
    this.#become("refused");
  }

  #joined({ recent, may_moderate, reads }) {
    this.presences.remember(recent);
    this.mayModerate = may_moderate;
    this.reads = new Map(Object.entries(reads));
    this.#saidRead = 0;
    this.#emit("reads");
    this.#become("joined");
    this.#sayStatus();
    if (!this.isLoaded) this.#load();
    this.#sendNext();
    this.#leaveIfDone();
  }

  #lost() {
    this.#sending = null;
    this.#stopLoading();
    this.presences.lose();
    for (const name of this.typists.keys()) this.#stopsTyping(name);
    this.#become("rejoining");
  }

  #refused(response) {
    if (TRIED_AGAIN.has(response.reason)) {
      this.#lost();
      return;
    }
    this.end(words(response)); // otherwise phoenix.js would join again and again
  }

  // Messages.

  #hear(message) {
    this.#stopsTyping(message.author);
    if (!this.isLoaded) {
      this.#early.push(message);
      return;
    }
    if (message.id <= this.lastId) return; // it was loaded: ids rise in the order of the history
    this.lastId = message.id;
    const entry = { kind: "message", message };
    this.entries.push(entry);
    this.#wasSent(message);
    this.#emit("entry", entry);
    this.#leaveIfDone();
  }

  /** Forget the draft of a message that the server has. */
  #wasSent({ author, key }) {
    if (author === this.#me && this.outbox.delete(key)) this.#emit("outbox");
  }

  /** Show the new text of a message, or that it is removed. */
  #changed(message) {
    const entry = this.entries.find((one) => one.message?.id === message.id);
    if (!entry) return;
    entry.message = message;
    this.#emit("changed", message);
  }

  #wasRead(name, id) {
    if ((this.reads.get(name) ?? 0) >= id) return;
    this.reads.set(name, id);
    this.#emit("reads");
  }

  /** Tell the server that the newest message was seen, at most once a second. */
  sayRead() {
    if (this.#readTimer || this.lastId <= this.#saidRead || this.state !== "joined") return;
    this.#saidRead = this.lastId;
    this.#channel.push("read", { id: this.lastId });
    this.#readTimer = setTimeout(() => {
      this.#readTimer = null;
      this.#emit("readable");
    }, SAY_READ_EVERY);
  }

  /** The last message of this person that can be edited. */
  get lastOwn() {
    const isOwn = ({ message }) => message?.author === this.#me && !message.removed_at;
    return this.entries.findLast(isOwn)?.message;
  }

  /** Edit a message, remove it, invite or mute a person, and so on. The promise rejects with an Error that says why. */
  ask(event, payload) {
    if (this.state !== "joined") return Promise.reject(new Error(NO_ANSWER));
    return ask(this.#channel, event, payload);
  }

  /** Load the latest messages anew. New messages wait in bennu.mjs until the promise is resolved. */
  #missed() {
    this.isLoaded = false;
    return new Promise((resolve) => {
      this.#loaded = resolve;
      this.#load();
    });
  }

  /** Load the latest messages. If the connection is lost meanwhile, the next join does it. */
  #load() {
    if (this.#loading) return;
    const push = (this.#loading = this.#channel.push("latest", {}));
    const then = (act) => (response) => {
      if (this.#loading !== push) return;
      this.#loading = null;
      act(response);
    };
    const again = ({ retry_after_ms: wait = LOAD_AGAIN_AFTER } = {}) =>
      setTimeout(() => this.state === "joined" && !this.isLoaded && this.#load(), wait);
    push
      .receive("ok", then((response) => this.#reset(response)))
      .receive("error", then(again))
      .receive("timeout", then(again));
  }

  #stopLoading() {
    this.#loading = null;
    this.#early = [];
    this.isLoadingOlder = false;
  }

  #reset({ position, messages }) {
    this.entries = messages.map((message) => ({ kind: "message", message }));
    this.lastId = messages.at(-1)?.id ?? 0;
    this.hasOlder = messages.length === PAGE;
    this.isLoadingOlder = false;
    this.isLoaded = true;
    for (const message of messages) this.#wasSent(message);
    this.#emit("reset");
    for (const message of this.#early.splice(0)) this.#hear(message);
    this.#loaded?.(position);
    this.#loaded = null;
    this.#leaveIfDone();
  }

  /** Load the messages before the oldest one. */
  loadOlder() {
    if (this.state !== "joined" || !this.isLoaded || !this.hasOlder || this.isLoadingOlder) return;
    const channel = this.#channel;
    const before = this.#oldestId();
    const then = (act) => (response) => {
      if (channel !== this.#channel || !this.isLoadingOlder || before !== this.#oldestId()) return;
      this.isLoadingOlder = false;
      act(response);
      this.#emit("older");
    };
    this.isLoadingOlder = true;
    channel
      .push("older", { before })
      .receive("ok", then(({ messages }) => {
        this.entries.unshift(...messages.map((message) => ({ kind: "message", message })));
        this.hasOlder = messages.length === PAGE;
      }))
      .receive("error", then(() => {}))
      .receive("timeout", then(() => {}));
    this.#emit("older");
  }

  #oldestId() {
    return this.entries.find(({ message }) => message)?.message.id;
  }

  send(body) {
    const draft = { key: randomKey(), body, problem: "", isRefused: false };
    this.outbox.set(draft.key, draft);
    this.#saidTypingAt = 0;
    this.#sendNext();
    this.#emit("outbox");
  }

  sendAgain(draft) {
    draft.problem = "";
    if (draft.isRefused) {
      // The server keeps its answer to a key, so a new attempt needs a new key.
      this.outbox.delete(draft.key);
      draft.key = randomKey();
      draft.isRefused = false;
      this.outbox.set(draft.key, draft);
    }
    this.#sendNext();
    this.#emit("outbox");
  }

  discard(draft) {
    this.outbox.delete(draft.key);
    this.#emit("outbox");
  }

  // One message is sent at a time, so that messages keep their order if one has to wait. Sending a message twice is
  // harmless, because the server recognises its key, and gives the first answer again.
  #sendNext() {
    const draft = [...this.outbox.values()].find(({ problem }) => !problem);
    if (!draft || this.#sending || this.pause || this.state !== "joined") return;
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
    if (response.retry_after_ms) {
      const isFast = response.reason === "rate_limited";
      this.#wait(isFast ? "You are sending fast." : "The server is busy.", response.retry_after_ms);
    } else {
      draft.problem = words(response);
      draft.isRefused = true;
    }
  }

  #wait(reason, milliseconds) {
    this.pause = `${reason} Will send in a moment.`;
    setTimeout(() => {
      this.pause = "";
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
