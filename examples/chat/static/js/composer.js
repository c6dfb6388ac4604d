// The box in which one writes.

import { byId } from "./dom.js";

const MAX_BODY = 2_000; // the server has the last word on that
const COUNT_FROM = 1_800;

export class Composer {
  #form = byId("composer");
  #text = byId("composer-text");
  #count = byId("composer-count");
  #send = this.#form.querySelector("button");

  constructor({ onSend, onTyping }) {
    this.#text.addEventListener("input", () => {
      this.#render();
      if (this.text.trim()) onTyping();
    });
    this.#text.addEventListener("keydown", (event) => {
      // While an input method composes a character, Enter is its own.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#form.requestSubmit();
    });
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      const body = this.text.trim();
      if (!body) return;
      this.text = "";
      this.#text.focus();
      onSend(body);
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

  set room(name) {
    this.#text.placeholder = `Message #${name}`;
  }

  set isEnabled(isEnabled) {
    this.#text.disabled = !isEnabled;
    this.#render();
  }

  focus() {
    this.#text.focus();
  }

  #render() {
    const length = [...this.text.trim()].length;
    this.#send.disabled = !length || this.#text.disabled;
    this.#count.hidden = length < COUNT_FROM;
    this.#count.textContent = `${length.toLocaleString("en")} of ${MAX_BODY.toLocaleString("en")}`;
    this.#count.classList.toggle("over", length > MAX_BODY);
    this.#text.style.height = "auto"; // as high as its lines, up to what the style sheet allows
    this.#text.style.height = `${this.#text.scrollHeight}px`;
  }
}
