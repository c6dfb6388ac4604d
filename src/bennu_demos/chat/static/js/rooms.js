// The rooms that this person knows, with what is unread. Open rooms come from the channel "rooms"; private rooms and
// conversations from the person's own channel, which also brings the notifications.
//
// Events report changes: "change", and "gone" with the name of a room that this person is in no more.

import { compareNames, list } from "../design/people.js";
import { NO_ANSWER, words } from "./words.js";

export class Rooms extends EventTarget {
  current = ""; // the name of the room on the page
  isKnown = false; // whether the list of open rooms came since the last join
  mine; // the person's own channel
  #all = new Map(); // name -> {name, title, kind, people, last, last_id, read, members}
  #open;
  #me;

  constructor(socket, me) {
    super();
    this.#me = me;
    this.#open = socket.channel("rooms");
    this.mine = socket.channel(`user:${me.id}`);
    this.#follow(this.#open, (room) => room.kind === "open", (isKnown) => (this.isKnown = isKnown));
    this.#follow(this.mine, (room) => room.kind !== "open", () => {});
    this.#open.on("crowd", ({ room, people }) => this.#change(room, { people }));
    this.mine.on("read", ({ room, id }) => this.#read(room, id));
    this.mine.on("room_gone", ({ name }) => {
      this.#all.delete(name);
      this.#changed();
      this.dispatchEvent(new CustomEvent("gone", { detail: name }));
    });
  }

  join() {
    this.#open.join();
    this.mine.join();
  }

  /** Take what a channel tells of its rooms. Messages that come before its list are noted when the list is there. */
  #follow(channel, isOfChannel, known) {
    let early = [];
    let isKnown = false;
    const become = (value) => known((isKnown = value));
    channel.on("room", (room) => this.#set(room));
    channel.on("message", (message) => {
      if (!isKnown) early.push(message);
      this.#heard(message);
    });
    channel.on("changed", (message) => {
      if (this.get(message.room)?.last?.id === message.id) this.#change(message.room, { last: message });
    });
    channel.on("phx_error", () => {
      become(false);
      early = [];
      this.#changed();
    });
    channel.on("rooms", ({ rooms }) => {
      become(true);
      for (const [name, room] of this.#all) if (isOfChannel(room)) this.#all.delete(name);
      for (const room of rooms) this.#all.set(room.name, room);
      for (const message of early.splice(0)) this.#heard(message);
      this.#changed();
    });
  }

  get(name) {
    return this.#all.get(name);
  }

  /** Open rooms and private ones by their titles, then conversations, the latest first. */
  sorted() {
    const order = ({ kind }) => (kind === "direct" ? 1 : 0);
    const latest = ({ last }) => last?.sent_at ?? Infinity;
    return [...this.#all.values()].sort(
      (a, b) =>
        order(a) - order(b) ||
        (a.kind === "direct" ? latest(b) - latest(a) : compareNames(a.title, b.title)),
    );
  }

  /** The title of a room; for a conversation the names of the others. */
  title(name) {
    const room = this.get(name);
    if (!room) return name.startsWith("~") ? "…" : name;
    if (room.kind !== "direct") return room.title;
    const others = room.members.filter((member) => member !== this.#me.name);
    return others.length === 1 ? others[0] : list(others);
  }

  unread({ name, last_id, read }) {
    return name === this.current ? 0 : Math.max(0, last_id - read);
  }

  /** The number of rooms with unread messages. */
  get unreadRooms() {
    return [...this.#all.values()].filter((room) => this.unread(room)).length;
  }

  /** Ask for an open or private room. The promise resolves to its name, or rejects with an Error that says why. */
  open(name, isPrivate) {
    return ask(isPrivate ? this.mine : this.#open, "new_room", { name, is_private: isPrivate });
  }

  /** Ask for the conversation with these people. */
  direct(names) {
    return ask(this.mine, "direct", { names });
  }

  #set(room) {
    const read = Math.max(room.read, this.get(room.name)?.read ?? 0);
    const people = room.people || (this.get(room.name)?.people ?? 0);
    this.#all.set(room.name, { ...room, read, people });
    this.#changed();
  }

  #change(name, changes) {
    const room = this.get(name);
    if (!room) return;
    this.#all.set(name, { ...room, ...changes });
    this.#changed();
  }

  #read(name, id) {
    const room = this.get(name);
    if (room && room.read < id) this.#change(name, { read: id });
  }

  /** Note a message. The messages of two servers can come in another order than they were sent. */
  #heard(message) {
    const room = this.get(message.room);
    if (!room || room.last_id >= message.id) return;
    this.#change(message.room, { last: message, last_id: message.id });
    if (message.author === this.#me.name) this.#read(message.room, message.id);
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

/** Push, and return a promise of the name in the reply. */
export function ask(channel, event, payload) {
  return new Promise((resolve, reject) => {
    channel
      .push(event, payload)
      .receive("ok", ({ name }) => resolve(name))
      .receive("error", (response) => reject(new Error(words(response))))
      .receive("timeout", () => reject(new Error(NO_ANSWER)));
  });
}
