// The middle of the page: the messages of a room, grouped by author, and the scroll position. A reader who scrolls to
// the top gets older messages above, and the view keeps its place. A button beside each message opens its menu.

import { byId, element, isolated } from "../design/dom.js";
import { linked } from "./links.js";
import { avatar, list, tint } from "../design/people.js";
import { clock, day, full, isSameDay } from "./time.js";

const GROUP_LASTS = 5 * 60_000; // after so many milliseconds of silence the author is named again
const AT_BOTTOM = 40; // this distance in pixels still counts as the bottom
const AT_TOP = 200; // at this distance older messages are loaded

export class Conversation {
  #me;
  #rooms;
  #room = null;
  #listening = null; // aborts the listeners of that room
  #last = null; // the last part of the log: {group, message}, {notice, people} or null
  #newFrom = null; // the id of the message below the line "New"
  #unseen = 0; // unseen messages below the visible part
  #scroller = byId("scroller");
  #log = byId("log");
  #outbox = byId("outbox");
  #older = byId("older");
  #jump = byId("jump");
  #isAtBottom = true;
  #height = this.#scroller.clientHeight;

  /**
   * onRead is called when the person has seen the whole room; onRewrite with a text that was not sent; onMenu with a
   * message and the button of its menu.
   */
  constructor(me, rooms, { onRead, onRewrite, onMenu }) {
    this.#me = me;
    this.#rooms = rooms;
    this.onRead = onRead;
    this.onRewrite = onRewrite;
    this.onMenu = onMenu;
    this.#scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#jump.addEventListener("click", () => this.toBottom("smooth"));
    this.#older.addEventListener("click", () => this.#room.loadOlder());
    document.addEventListener("visibilitychange", () => this.#seen());
    // When the window shrinks or the keyboard opens, the end stays visible.
    new ResizeObserver(() => this.#resized()).observe(this.#scroller);
  }

  show(room) {
    this.#listening?.abort();
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    this.#room = room;
    const on = (type, callback) => room.addEventListener(type, callback, { signal });
    on("reset", () => this.#rebuild());
    on("older", () => this.#addOlder());
    on("entry", ({ detail }) => this.#arrived(detail));
    on("changed", ({ detail }) => this.#change(detail));
    on("outbox", () => this.#renderOutbox());
    on("reads", () => this.#renderReads());
    on("readable", () => this.#seen());
    on("state", () => {
      this.#renderOutbox();
      this.#renderEmpty();
      this.#renderOlder();
    });
    this.#rebuild();
  }

  toBottom(behavior = "instant") {
    this.#scroller.scrollTo({ top: this.#scroller.scrollHeight, behavior });
  }

  /** Keep the end visible, if it was visible before the height below it changed. */
  stay() {
    if (this.#isAtBottom) this.toBottom();
  }

  // New entries.

  #rebuild() {
    const read = this.#rooms.get(this.#room.name)?.read ?? null;
    const isNew = ({ message }) => message && message.id > read && message.author !== this.#me;
    this.#newFrom = (read && this.#room.entries.find(isNew)?.message.id) || null;
    this.#fill();
    this.#renderOutbox();
    this.#renderEmpty();
    this.#renderOlder();
    this.#renderReads();
    this.toBottom();
    this.#isAtBottom = true;
    this.#seen();
    this.#renderJump();
  }

  #fill() {
    this.#log.setAttribute("aria-busy", "true"); // a screen reader need not read old messages aloud
    this.#log.replaceChildren();
    this.#last = null;
    for (const entry of this.#room.entries) this.#append(entry);
    requestAnimationFrame(() => this.#log.removeAttribute("aria-busy"));
  }

  #arrived(entry) {
    const isOwn = entry.message?.author === this.#me;
    const wasAtBottom = this.#isAtBottom;
    const isUnseen = entry.kind === "message" && !isOwn && (!wasAtBottom || document.hidden);
    if (isOwn) this.#markNew(null);
    if (isUnseen && this.#unseen === 0) this.#markNew(entry.message.id);
    if (isUnseen) this.#unseen += 1;
    this.#append(entry);
    this.#renderEmpty();
    this.#renderReads();
    if (wasAtBottom || isOwn) this.toBottom();
    this.#seen();
    this.#renderJump();
  }

  /** Show what was loaded above. The message that was the first one keeps its place in the window. */
  #addOlder() {
    const first = this.#log.querySelector(".bubble");
    const top = first?.getBoundingClientRect().top;
    this.#renderOlder();
    if (this.#room.isLoadingOlder || !first) return;
    this.#fill();
    const same = this.#log.querySelector(`[data-id="${first.dataset.id}"]`);
    this.#scroller.scrollTop += same.getBoundingClientRect().top - top;
    this.#renderJump();
  }

  #renderOlder() {
    const { hasOlder, isLoadingOlder, isLoaded, state } = this.#room;
    const isFocused = document.activeElement === this.#older;
    this.#older.hidden = !(hasOlder && isLoaded && state === "joined");
    if (this.#older.hidden && isFocused) this.#scroller.focus({ preventScroll: true });
    this.#older.textContent = isLoadingOlder ? "Loading older messages…" : "Older messages";
  }

  #append(entry) {
    if (entry.kind === "notice") this.#appendNotice(entry);
    else this.#appendMessage(entry.message);
  }

  #appendMessage(message) {
    if (message.id === this.#newFrom) this.#appendNew();
    const before = this.#last?.message ?? this.#last?.before;
    if (!before || !isSameDay(before.sent_at, message.sent_at)) {
      this.#log.append(element("p", { class: "day-line" }, element("span", {}, day(message.sent_at))));
      this.#last = null;
    }
    let group = this.#last?.group;
    if (!this.#continues(message)) {
      group = this.#group(message.author, message.sent_at);
      this.#log.append(group);
    }
    group.lastElementChild.append(this.#line(message));
    this.#last = { group, message };
  }

  /** A message with the button of its menu. */
  #line(message) {
    const said = message.removed_at ? removed() : bubble(message.body, full(message.sent_at));
    said.dataset.id = message.id;
    if (message.edited_at && !message.removed_at) {
      said.append(element("span", { class: "edited", title: full(message.edited_at) }, " (edited)"));
    }
    const line = element("div", { class: "line" }, said);
    if (message.removed_at || !(message.author === this.#me || this.#room.mayModerate)) return line;
    const menu = element("button", { type: "button", class: "line-menu", "aria-haspopup": "menu", "aria-label": "Edit or remove this message" }, byId("more-sign").content.cloneNode(true));
    menu.addEventListener("click", () => this.onMenu(message, menu));
    line.append(menu);
    return line;
  }

  #change(message) {
    const shown = this.#log.querySelector(`[data-id="${message.id}"]`);
    shown?.parentElement.replaceWith(this.#line(message));
    this.stay();
  }

  /** In a private room, who has read the last message. */
  #renderReads() {
    const { lastId, reads, entries } = this.#room;
    const author = entries.findLast(({ message }) => message)?.message.author;
    const names = [...reads.keys()].filter((name) => name !== this.#me && name !== author && reads.get(name) >= lastId);
    const text = lastId && names.length ? `Read by ${list(names)}` : "";
    if (byId("reads").textContent === text) return;
    byId("reads").textContent = text;
    this.stay();
  }

  /** Whether a message belongs to the group at the end. */
  #continues({ author, sent_at }) {
    const last = this.#last?.message;
    return last !== undefined && last.author === author && sent_at - last.sent_at < GROUP_LASTS;
  }

  #group(author, sentAt) {
    const isOwn = author === this.#me;
    const by = element(
      "div",
      { class: "by" },
      element("bdi", { class: isOwn ? "name own-name" : "name" }, isOwn ? "You" : author),
      element("time", { datetime: new Date(sentAt).toISOString() }, clock(sentAt)),
    );
    const group = element("div", { class: isOwn ? "group own" : "group" });
    if (!isOwn) group.append(avatar(author));
    group.append(element("div", { class: "bubbles" }, by));
    return tint(group, author);
  }

  /** Joins and leaves that follow each other share a line. */
  #appendNotice({ name, what }) {
    if (!this.#last?.notice) {
      const notice = element("p", { class: "notice" });
      this.#log.append(notice);
      this.#last = { notice, people: new Map(), before: this.#last?.message };
    }
    const { notice, people } = this.#last;
    people.delete(name);
    people.set(name, what);
    const parts = ["joined", "left"].flatMap((verb) => {
      const names = [...people.keys()].filter((person) => people.get(person) === verb);
      return names.length ? [`${list(names)} ${verb}`] : [];
    });
    notice.textContent = parts.join(" · ");
  }

  /** Move the line "New" above a message that comes next, or remove it. */
  #markNew(id) {
    this.#newFrom = id;
    this.#log.querySelector(".new-line")?.remove();
  }

  #appendNew() {
    this.#log.append(element("p", { class: "new-line" }, element("span", {}, "New")));
    this.#last = this.#last && { before: this.#last.message ?? this.#last.before };
  }

  // Unsent messages.

  #renderOutbox() {
    const drafts = [...this.#room.outbox.values()];
    this.#outbox.replaceChildren();
    if (!drafts.length) return;
    const isFollowing = this.#continues({ author: this.#me, sent_at: Date.now() });
    const bubbles = element("div", { class: "bubbles" });
    for (const draft of drafts) {
      const unsent = bubble(draft.body, draft.problem ? "Not sent" : "Not sent yet");
      unsent.classList.add(draft.problem ? "failed" : "pending");
      bubbles.append(unsent);
      if (draft.problem) bubbles.append(this.#problem(draft));
    }
    const waiting = this.#waitingFor();
    if (waiting) bubbles.append(element("p", { class: "waiting" }, waiting));
    const classes = isFollowing ? "group own following" : "group own";
    this.#outbox.append(element("div", { class: classes }, bubbles));
    this.toBottom();
  }

  /** Return the reason why messages are not sent at once. */
  #waitingFor() {
    if (this.#room.state !== "joined") return "Will send when you are back online.";
    return this.#room.pause;
  }

  #problem(draft) {
    const again = element("button", { type: "button" }, "Try again");
    const edit = element("button", { type: "button" }, "Edit");
    again.addEventListener("click", () => this.#room.sendAgain(draft));
    edit.addEventListener("click", () => {
      this.#room.discard(draft);
      this.onRewrite(draft.body);
    });
    return element("p", { class: "not-sent" }, `Not sent. ${draft.problem} `, again, " ", edit);
  }

  // A room without messages.

  #renderEmpty() {
    const { name, state, isLoaded, entries, outbox, problem } = this.#room;
    const isSilent = isLoaded && state === "joined" && !outbox.size && !entries.some(({ message }) => message);
    byId("empty").hidden = !(isSilent || state === "refused");
    const title = isolated(this.#rooms.title(name));
    const isPrivate = name.startsWith("~");
    byId("empty-mark").textContent = isPrivate ? "@" : "#";
    byId("empty-title").textContent =
      state === "refused" ? problem : `No messages ${isPrivate ? "with" : "in"} ${isPrivate ? title : `#${title}`} yet`;
    byId("empty-text").textContent =
      state === "refused"
        ? "Choose a room from the list, or open a new room."
        : isPrivate
          ? "Only the members can read what is written here."
          : "Say hello. If nobody is here to answer, open this page in a second window.";
  }

  // The scroll position.

  #resized() {
    this.#height = this.#scroller.clientHeight;
    this.stay();
    this.#scrolled();
  }

  #scrolled() {
    if (this.#scroller.clientHeight !== this.#height) return; // the box was resized: #resized comes next
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    this.#isAtBottom = scrollHeight - scrollTop - clientHeight < AT_BOTTOM;
    if (scrollTop < AT_TOP && !this.#isAtBottom) this.#room.loadOlder();
    this.#seen();
    this.#renderJump();
  }

  /** Mark the room as read, if the end is visible. */
  #seen() {
    if (this.#room && this.#isAtBottom && !document.hidden) {
      this.#unseen = 0;
      this.#room.sayRead();
      this.onRead();
    }
    this.renderTitle();
  }

  renderTitle() {
    const name = this.#room?.name ?? "";
    const title = isolated(name.startsWith("~") ? this.#rooms.title(name) : `#${name}`);
    document.title = `${this.#unseen ? `(${this.#unseen}) ` : ""}${title} · Bennu chat`;
  }

  #renderJump() {
    const count = this.#unseen;
    this.#jump.hidden = this.#isAtBottom;
    this.#jump.setAttribute("aria-label", count ? "" : "To the latest message");
    byId("jump-text").textContent = count ? `${count} new message${count === 1 ? "" : "s"}` : "";
  }
}

function bubble(text, title) {
  return element("p", { class: "bubble", dir: "auto", title }, ...linked(text));
}

function removed() {
  return element("p", { class: "bubble removed" }, "Message removed");
}
