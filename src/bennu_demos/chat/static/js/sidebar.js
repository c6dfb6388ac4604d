// The list of rooms, each with its number of people, its last message, and an unread mark.

import { byId, element } from "../design/dom.js";
import { lastRead } from "./reads.js";
import { brief } from "./time.js";
import { NO_ANSWER, words } from "./words.js";

export class Sidebar {
  #rooms = new Map(); // name -> {name, people, last}
  #rows = new Map(); // name -> the elements that show it
  #channel;
  #me;
  #list = byId("room-list");
  #isKnown = false; // whether the list came since the last join; before, the numbers of people are unknown
  #early = []; // messages that came before the list
  current = "";

  constructor(socket, me) {
    this.#me = me;
    this.#channel = socket.channel("rooms");
    this.#channel.on("room", (room) => this.#set(room));
    this.#channel.on("message", (message) => this.#heard(message));
    this.#channel.on("crowd", ({ room, people }) => this.#change(room, { people }));
    this.#channel.on("phx_error", () => {
      this.#isKnown = false;
      this.#early = [];
      this.render();
    });
    this.#channel.on("rooms", ({ rooms }) => {
      this.#isKnown = true;
      this.#rooms = new Map(rooms.map((room) => [room.name, room]));
      for (const message of this.#early.splice(0)) this.#heard(message);
      this.render();
    });
    this.#channel.join();
  }

  /** Ask the server to open a room. The promise resolves to its name, or rejects with an Error that says why. */
  open(name) {
    return new Promise((resolve, reject) => {
      this.#channel
        .push("new_room", { name })
        .receive("ok", (room) => resolve(room.name))
        .receive("error", (response) => reject(new Error(words(response))))
        .receive("timeout", () => reject(new Error(NO_ANSWER)));
    });
  }

  #set(room) {
    this.#rooms.set(room.name, room);
    this.render();
  }

  #change(name, changes) {
    const room = this.#rooms.get(name);
    if (room) this.#set({ ...room, ...changes });
  }

  /** Note a message. The messages of two servers can come in another order than they were sent. */
  #heard(message) {
    if (!this.#isKnown) this.#early.push(message);
    const last = this.#rooms.get(message.room)?.last;
    if (!last || last.id < message.id) this.#change(message.room, { last: message });
  }

  #isUnread({ name, last }) {
    return last !== null && name !== this.current && last.id > (lastRead(name) ?? 0);
  }

  /** Show the current list. A row keeps its element, so that it does not lose the focus. */
  render() {
    const rooms = [...this.#rooms.values()].sort((a, b) => a.name.localeCompare(b.name));
    let anyUnread = false;
    rooms.forEach((room, index) => {
      const row = this.#rowOf(room.name);
      const isUnread = this.#isUnread(room);
      anyUnread ||= isUnread;
      row.item.classList.toggle("unread", isUnread);
      if (room.name === this.current) row.link.setAttribute("aria-current", "page");
      else row.link.removeAttribute("aria-current");
      row.time.textContent = room.last ? brief(room.last.sent_at) : "";
      row.last.textContent = room.last ? this.#preview(room.last) : "No messages yet";
      const details = [this.#isKnown && `${room.people} here`, isUnread && "unread"].filter(Boolean);
      row.people.textContent = (this.#isKnown && room.people) || "";
      row.details.textContent = details.length ? `${details.join(", ")}.` : "";
      if (this.#list.children[index] !== row.item) {
        this.#list.insertBefore(row.item, this.#list.children[index] ?? null);
      }
    });
    for (const [name, row] of this.#rows) {
      if (!this.#rooms.has(name)) {
        row.item.remove();
        this.#rows.delete(name);
      }
    }
    byId("menu-dot").hidden = !anyUnread;
  }

  #preview(message) {
    const author = message.author === this.#me ? "You" : message.author;
    return `${author}: ${message.body.replace(/\s+/g, " ")}`;
  }

  #rowOf(name) {
    let row = this.#rows.get(name);
    if (!row) {
      row = {
        time: element("span", { class: "row-time" }),
        last: element("span", { class: "row-last", dir: "auto" }),
        people: element("span", { class: "row-people", "aria-hidden": "true" }),
        details: element("span", { class: "visually-hidden" }),
      };
      row.link = element(
        "a",
        { href: `#${encodeURIComponent(name)}`, class: "row" },
        element(
          "span",
          { class: "row-name" },
          element("span", { class: "hash", "aria-hidden": "true" }, "#"),
          element("bdi", {}, name),
          row.details,
        ),
        row.time,
        row.last,
        row.people,
      );
      row.item = element("li", {}, row.link);
      this.#rows.set(name, row);
    }
    return row;
  }
}
