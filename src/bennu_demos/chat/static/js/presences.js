// The people in a room, recent visitors, and notices of joins and leaves. The stock client's Presence has the data.
//
// Events report changes: "people", and "notice" with {name, what}. A person with several pages joins with the first
// page and leaves with the last. After this page lost its own connection, other people have 15 seconds to come back
// before a notice says that they left: after a restart of the server everybody reconnects.

import { compareNames } from "../design/people.js";
import { Presence } from "../socket/phoenix.mjs";

const PREFIX = "user:"; // the server puts it before each name, because a key can't be "constructor"
const AWAITED = 15_000;

export class Presences extends EventTarget {
  people = new Map(); // name -> {name, status, since, devices}
  recent = new Map(); // name -> time of the last visit
  members = []; // of a private room: those who are not here are listed too
  #me;
  #presence = null;
  #isLost = false; // whether the connection is lost: then the list is unknown
  #isFirst = true; // whether the first list is on its way: it makes no notices
  #isState = false; // whether the current changes happened since the last connection
  #awaited = new Map(); // name -> the timer after which the person counts as gone

  constructor(me) {
    super();
    this.#me = me;
  }

  /** Follow a channel. Call this before its join. */
  follow(channel) {
    this.forget();
    channel.on("presence_state", () => (this.#isState = true)); // runs before the callback of Presence
    const presence = new Presence(channel);
    const mine = (callback) => (key, here) => presence === this.#presence && callback(key, here);
    presence.onJoin(mine((key, before) => before || this.#came(nameOf(key))));
    presence.onLeave(mine((key, { metas }) => metas.length || this.#went(nameOf(key))));
    presence.onSync(mine(() => this.#synced()));
    this.#presence = presence;
  }

  /** Stop following, and forget all people. */
  forget() {
    this.#presence = null;
    this.#isLost = false;
    this.#isFirst = true;
    this.#isState = false;
    this.people.clear();
    for (const timer of this.#awaited.values()) clearTimeout(timer);
    this.#awaited.clear();
    this.#emit("people");
  }

  /** Show nobody until the server has sent a new list. */
  lose() {
    this.#isLost = true;
    this.#emit("people");
  }

  /** Add the recent visitors that the server sent. */
  remember(recent) {
    for (const { name, seen_at } of recent) {
      this.recent.set(name, Math.max(seen_at, this.recent.get(name) ?? 0));
    }
  }

  /** The people in the room: online people first, then people who are away, each sorted by name. */
  here() {
    if (this.#isLost) return [];
    const order = (person) => (person.status === "online" ? 0 : 1);
    return [...this.people.values()].sort((a, b) => order(a) - order(b) || compareNames(a.name, b.name));
  }

  /** Recent visitors who have left, the latest first: {name, seenAt}. */
  gone() {
    if (this.#isLost) return [];
    const all = this.members.length ? this.members.map((name) => [name, this.recent.get(name) ?? 0]) : [...this.recent];
    return all
      .filter(([name]) => !this.people.has(name))
      .map(([name, seenAt]) => ({ name, seenAt }))
      .sort((a, b) => b.seenAt - a.seenAt);
  }

  #came(name) {
    const isAwaited = this.#awaited.has(name);
    clearTimeout(this.#awaited.get(name));
    this.#awaited.delete(name);
    if (!isAwaited && !this.#isFirst) this.#note(name, "joined");
  }

  #went(name) {
    this.recent.set(name, Date.now());
    if (!this.#isState) {
      this.#note(name, "left");
      return;
    }
    const isOver = () => {
      this.#awaited.delete(name);
      this.#note(name, "left");
    };
    this.#awaited.set(name, setTimeout(isOver, AWAITED));
  }

  #note(name, what) {
    if (name !== this.#me) this.#emit("notice", { name, what });
  }

  #synced() {
    this.#isLost = false;
    this.#isFirst = false;
    this.#isState = false;
    const people = this.#presence.list((key, { metas }) => personOf(nameOf(key), metas));
    this.people = new Map(people.map((person) => [person.name, person]));
    this.#emit("people");
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

const nameOf = (key) => key.slice(PREFIX.length);

/** Combine the pages of a person. The person is online if one page is, and otherwise away since the latest time. */
function personOf(name, metas) {
  const status = metas.some((meta) => meta.status === "online") ? "online" : "away";
  const since = Math.max(...metas.map((meta) => meta.since));
  return { name, status, since, devices: metas.map(({ device }) => device).sort() };
}
