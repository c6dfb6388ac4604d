// The text box for a new message.

import { byId } from "../design/dom.js";

const MAX_BODY = 2_000; // code points; the server refuses longer messages, see MAX_BODY in wire.py
const COUNT_FROM = 1_800;

export class Composer {
  #form = byId("composer");
  #text = byId("composer-text");
  #count = byId("composer-count");
  #send = this.#form.querySelector(".send");
  #bar = byId("editing");
  #edited = null; // the message that is being edited
  #draft = ""; // the text before the edit began

  /**
   * onSend gets a message; onEdit gets a message and its new text; onEditLast is called when the person wants to edit the
   * last message. onTyping is called when the person types. onResize is called when the height can change.
   */
  constructor({ onSend, onEdit, onEditLast, onTyping, onResize }) {
    this.onResize = onResize;
    this.#text.addEventListener("input", () => {
      this.#render();
      if (this.text.trim()) onTyping();
    });
    byId("editing-cancel").addEventListener("click", () => this.edit(null));
    this.#text.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.#edited) this.edit(null);
      if (event.key === "ArrowUp" && !this.text) {
        event.preventDefault();
        onEditLast();
      }
      // While an input method composes a character, Enter belongs to the input method.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#form.requestSubmit();
    });
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#length === 0 || this.#length > MAX_BODY) return;
      const body = this.text.trim();
      const edited = this.#edited;
      this.text = "";
      if (edited) this.edit(null);
      this.#text.focus();
      if (edited) onEdit(edited, body);
      else onSend(body);
    });
    this.#render();
  }

  get text() {
    return this.#text.value;
  }

  set text(text) {
    this.#text.value = text;
    this.#render();
  }

  set room(title) {
    this.#text.placeholder = `Message ${title}`;
  }

  /** Begin to edit a message, or end it without a change. */
  edit(message, text = message?.body) {
    if (!message && !this.#edited) return;
    if (!this.#edited) this.#draft = this.text;
    this.#edited = message;
    this.#bar.hidden = !message;
    this.text = message ? text : this.#draft;
    this.#text.focus();
  }

  set isEnabled(isEnabled) {
    this.#text.disabled = !isEnabled;
    this.#render();
  }

  focus() {
    this.#text.focus();
  }

  /** The number of characters as the server counts them: an emoji is one character. */
  get #length() {
    return [...this.text.trim()].length;
  }

  #render() {
    const length = this.#length;
    const isOver = length > MAX_BODY;
    this.#send.disabled = !length || isOver || this.#text.disabled;
    this.#count.hidden = length < COUNT_FROM;
    const left = Math.abs(MAX_BODY - length).toLocaleString("en");
    this.#count.textContent = isOver ? `${left} too many` : `${left} left`;
    this.#count.classList.toggle("over", isOver);
    this.#text.setAttribute("aria-invalid", isOver);
    this.#text.style.height = "auto"; // fits its lines, up to the limit in the style sheet
    this.#text.style.height = `${this.#text.scrollHeight}px`;
    this.onResize();
  }
}
