// The bell and its panel: mentions, invitations, and acts of moderators. A look at the panel marks all as read, on all
// devices of the person.

import { byId, element, isolated } from "../design/dom.js";
import { avatar } from "../design/people.js";
import { toast } from "../design/toast.js";
import { ago, full } from "./time.js";

export class Notifications {
  #all = [];
  #mine;
  #rooms;
  #panel = byId("notifications");

  constructor(rooms) {
    this.#rooms = rooms;
    this.#mine = rooms.mine;
    this.#mine.on("notifications", ({ notifications }) => {
      this.#all = notifications;
      this.#render();
    });
    this.#mine.on("notification", (one) => {
      this.#all.unshift(one);
      this.#render();
      if (this.#panel.matches(":popover-open")) this.#read();
      else if (one.room !== this.#rooms.current || document.hidden) toast(`${isolated(one.by)} ${this.#what(one)}`);
    });
    this.#mine.on("notifications_read", ({ id }) => {
      for (const one of this.#all) if (one.id <= id) one.is_read = true;
      this.#render();
    });
    this.#panel.addEventListener("toggle", ({ newState }) => {
      if (newState === "open") this.#render();
      else this.#read();
    });
    this.#panel.addEventListener("click", (event) => event.target.closest("a") && this.#panel.hidePopover());
  }

  get unread() {
    return this.#all.filter(({ is_read }) => !is_read).length;
  }

  #read() {
    const newest = this.#all[0];
    if (newest && this.unread) this.#mine.push("read_notifications", { id: newest.id });
  }

  #what({ kind, room, text }) {
    const title = isolated(this.#rooms.title(room));
    return {
      mention: `mentioned you in ${title}`,
      invited: `invited you to ${text ? isolated(text) : title}`,
      muted: text ? `muted you in ${title} for ${text}` : `let you write in ${title} again`,
      kicked: `removed you from ${title}`,
    }[kind];
  }

  #render() {
    const count = this.unread;
    const badge = byId("bell-badge");
    badge.hidden = !count;
    badge.textContent = count > 99 ? "99+" : count;
    byId("bell").setAttribute("aria-label", count ? `Notifications, ${count} unread` : "Notifications");
    byId("notifications-none").hidden = this.#all.length > 0;
    byId("notification-list").replaceChildren(...this.#all.map((one) => this.#row(one)));
  }

  #row(one) {
    const text = element(
      "span",
      { class: "notification-text" },
      element("span", {}, element("bdi", {}, one.by), ` ${this.#what(one)}`),
      element("time", { title: full(one.made_at) }, ago(one.made_at)),
    );
    if (one.kind === "mention") text.append(element("span", { class: "notification-quote", dir: "auto" }, one.text));
    const link = element("a", { href: `#${encodeURIComponent(one.room)}` }, avatar(one.by), text);
    return element("li", { class: one.is_read ? "notification" : "notification new" }, link);
  }
}
