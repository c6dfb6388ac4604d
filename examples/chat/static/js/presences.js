// Who is in a room, who just was, and who comes and goes: what the stock client's Presence knows, by name.
//
// It tells what changed by events: "people", and "notice" with {name, what}. Whoever has several pages open
// comes with the first and goes with the last. After we had lost the connection ourselves, as all do when the
// server starts anew, the others have a while to come back before they are said to have left.

import { Presence } from "../socket/phoenix.mjs";

const PREFIX = "user:"; // the server puts it before each name, since no key can be "constructor"
const AWAITED = 15_000;

export class Presences extends EventTarget {
  people = new Map(); // name -> {name, status, since, devices}
  recent = new Map(); // name -> when they were last here
  #me;
  #presence = null;
  #isLost = false; // the connection is, so we know of nobody whether they are here
  #isFirst = true; // nobody comes who was here before us
  #isState = false; // what is told now is what happened since the last connection
  #awaited = new Map(); // name -> the timer after which they have left

  constructor(me) {
    super();
    this.#me = me;
  }

  /** Follow a channel that is about to be joined. */
  follow(channel) {
    this.forget();
    channel.on("presence_state", () => (this.#isState = true)); // this comes before the stock one
    const presence = new Presence(channel);
    const mine = (callback) => (key, here) => presence === this.#presence && callback(key, here);
    presence.onJoin(mine((key, before) => before || this.#came(nameOf(key))));
    presence.onLeave(mine((key, { metas }) => metas.length || this.#went(nameOf(key))));
    presence.onSync(mine(() => this.#synced()));
    this.#presence = presence;
  }

  /** Follow nothing, and know nobody any more. */
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

  /** Show nobody until the server has told us anew who is here. */
  lose() {
    this.#isLost = true;
    this.#emit("people");
  }

  /** Take from the server who was here lately. */
  remember(recent) {
    for (const { name, seen_at } of recent) {
      this.recent.set(name, Math.max(seen_at, this.recent.get(name) ?? 0));
    }
  }

  /** Everybody who is here: who is online before who is away, and both by name. */
  here() {
    if (this.#isLost) return [];
    const byName = (a, b) => a.name.localeCompare(b.name);
    const order = (person) => (person.status === "online" ? 0 : 1);
    return [...this.people.values()].sort((a, b) => order(a) - order(b) || byName(a, b));
  }

  /** Everybody who was, the latest first: {name, seenAt}. */
  gone() {
    if (this.#isLost) return [];
    return [...this.recent]
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

/** Put the pages of somebody together: they are at one of them, or have been away since they left the last. */
function personOf(name, metas) {
  const status = metas.some((meta) => meta.status === "online") ? "online" : "away";
  const since = Math.max(...metas.map((meta) => meta.since));
  return { name, status, since, devices: metas.map(({ device }) => device).sort() };
}
