// The list of rooms, each with its number of people, its last message, and the number of unread messages.

import { byId, element } from "../design/dom.js";
import { avatar } from "../design/people.js";
import { brief } from "./time.js";

export class Sidebar {
  #rooms;
  #me;
  #rows = new Map(); // name -> the elements that show it
  #lists = { rooms: byId("room-list"), direct: byId("direct-list") };

  constructor(rooms, me) {
    this.#rooms = rooms;
    this.#me = me;
  }

  /** Show the current lists. A row keeps its element, so that it does not lose the focus. */
  render() {
    const all = this.#rooms.sorted();
    const names = new Set(all.map(({ name }) => name));
    for (const [name, row] of this.#rows) {
      if (names.has(name)) continue;
      row.item.remove();
      this.#rows.delete(name);
    }
    const isDirect = (room) => room.kind === "direct";
    this.#renderList(this.#lists.rooms, all.filter((room) => !isDirect(room)));
    this.#renderList(this.#lists.direct, all.filter(isDirect));
    byId("direct-none").hidden = all.some(isDirect);
    byId("menu-dot").hidden = !this.#rooms.unreadRooms;
  }

  #renderList(target, rooms) {
    rooms.forEach((room, index) => {
      const row = this.#rowOf(room);
      const unread = this.#rooms.unread(room);
      const people = room.kind === "open" && this.#rooms.isKnown ? room.people : 0;
      row.item.classList.toggle("unread", unread > 0);
      if (room.name === this.#rooms.current) row.link.setAttribute("aria-current", "page");
      else row.link.removeAttribute("aria-current");
      row.title.textContent = this.#rooms.title(room.name);
      row.time.textContent = room.last ? brief(room.last.sent_at) : "";
      row.last.replaceChildren(...(room.last ? this.#preview(room) : ["No messages yet"]));
      row.badge.hidden = !unread;
      row.badge.textContent = unread > 99 ? "99+" : unread || "";
      row.people.textContent = unread ? "" : people || "";
      const isCounted = room.kind === "open" && this.#rooms.isKnown;
      const details = [isCounted && `${people} here`, unread && `${unread} unread`].filter(Boolean);
      row.details.textContent = details.length ? `${details.join(", ")}.` : "";
      if (target.children[index] !== row.item) {
        target.insertBefore(row.item, target.children[index] ?? null);
      }
    });
  }

  #preview({ kind, last, members }) {
    const author = last.author === this.#me.name ? "You" : last.author;
    const text = last.removed_at ? "message removed" : last.body.replace(/\s+/g, " ");
    // In a conversation of two, the row has the name of the other already.
    if (kind === "direct" && members.length === 2 && author !== "You") return [text];
    return [element("bdi", {}, author), `: ${text}`]; // the line has the direction of the text, whoever wrote it
  }

  #rowOf(room) {
    let row = this.#rows.get(room.name);
    if (!row) {
      row = {
        title: element("bdi"),
        time: element("span", { class: "row-time" }),
        last: element("span", { class: "row-last", dir: "auto" }),
        people: element("span", { class: "row-people", "aria-hidden": "true" }),
        badge: element("span", { class: "badge", "aria-hidden": "true" }),
        details: element("span", { class: "visually-hidden" }),
      };
      row.link = element(
        "a",
        { href: `#${encodeURIComponent(room.name)}`, class: "row" },
        element("span", { class: "row-name" }, sign(room, this.#rooms.title(room.name)), row.title, row.details),
        row.time,
        row.last,
        element("span", { class: "row-end" }, row.people, row.badge),
      );
      row.item = element("li", {}, row.link);
      this.#rows.set(room.name, row);
    }
    return row;
  }
}

/** The sign of a kind of room: #, a lock, or the avatar of a person. */
export function sign({ kind }, title) {
  if (kind === "direct") {
    const face = avatar(title);
    face.classList.add("tiny");
    return face;
  }
  if (kind === "closed") return element("span", { class: "lock", "aria-hidden": "true" }, byId("lock-sign").content.cloneNode(true));
  return element("span", { class: "hash", "aria-hidden": "true" }, "#");
}
