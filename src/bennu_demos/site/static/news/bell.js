// The bell: the reader's notifications, the same on all tabs and devices.

import { byId, element, isolated } from "/design/dom.js";
import { toast } from "/design/toast.js";

export class Bell {
  #notes = new Map(); // id -> notification, the newest first
  #channel;
  #title = document.title;

  constructor(socket, user) {
    this.#channel = socket.channel(`user:${user}`);
    this.#channel.on("notifications", ({ notifications, unread }) => {
      this.#notes = new Map(notifications.map((note) => [note.id, note]));
      this.#show(unread);
    });
    this.#channel.on("notification", ({ unread, ...note }) => {
      this.#notes = new Map([[note.id, note], ...this.#notes]);
      this.#show(unread);
      toast(`${isolated(note.section)}: ${isolated(note.title)}`);
    });
    this.#channel.on("read", ({ ids, unread }) => {
      for (const id of ids ?? this.#notes.keys()) {
        if (this.#notes.has(id)) this.#notes.get(id).is_read = true;
      }
      this.#show(unread);
    });
    byId("read-all").addEventListener("click", () => this.#channel.push("read", {}));
    this.#channel
      .join()
      .receive("ok", () => (byId("logged-out").hidden = true))
      .receive("error", () => {
        this.#channel.leave(); // phoenix.js would try again and again
        byId("logged-out").hidden = false;
      });
  }

  #show(unread) {
    const shown = unread > 99 ? "99+" : unread;
    byId("bell-number").textContent = shown;
    byId("bell-number").hidden = unread === 0;
    byId("bell").setAttribute("aria-label", `Notifications: ${shown} unread`);
    byId("read-all").disabled = unread === 0;
    byId("notes-empty").hidden = this.#notes.size > 0;
    byId("notes-list").replaceChildren(...[...this.#notes.values()].map((note) => this.#row(note)));
    document.title = unread ? `(${unread}) ${this.#title}` : this.#title;
  }

  #row({ id, article, section, title, is_read: isRead }) {
    const row = element(
      "li",
      { class: isRead ? "note" : "note unread" },
      element(
        "a",
        { href: `/articles/${article}/` },
        element("span", { class: "section", dir: "auto" }, section),
        element("span", { class: "note-title", dir: "auto" }, title),
        ...(isRead ? [] : [element("span", { class: "visually-hidden" }, "unread")]),
      ),
    );
    if (!isRead) {
      const button = element("button", { type: "button", class: "icon-button", title: "Mark as read", "aria-label": `Mark as read: ${title}` });
      button.append(element("span", { class: "dot" }));
      button.addEventListener("click", () => this.#channel.push("read", { ids: [id] }));
      row.append(button);
    }
    return row;
  }
}
