// The panel: name and colour before the first game, and what happened after each one.

import { byId, element } from "../design/dom.js";

const COLOURS = [
  "Red", "Orange", "Ochre", "Olive", "Green", "Sea green", "Cyan", "Blue", "Indigo", "Violet", "Magenta", "Pink",
];
const PROBLEMS = {
  bad_name: "Please enter a name with a letter or a digit, at most 20 characters.",
  rate_limited: "That was too fast. Try again in a second.",
  timeout: "The server does not answer. Try again.",
};
const PAUSE = 700; // milliseconds; a key that is still held must not begin the next game

export class Panel {
  #ready = false;
  #paused = false;

  /** @param onPlay An async function of { name, colour }; it throws an error with a reason. */
  constructor(onPlay) {
    const stored = Number(localStorage.getItem("bennu-game:colour") ?? Math.floor(Math.random() * COLOURS.length));
    byId("colours").replaceChildren(
      ...COLOURS.map((name, number) => {
        const input = element("input", { type: "radio", name: "colour", value: String(number), "aria-label": name, title: name });
        input.checked = number === stored;
        return element("span", { class: "swatch" }, input);
      }),
    );
    byId("name").value = localStorage.getItem("bennu-game:name") ?? "";
    byId("name").addEventListener("input", () => this.#complain(""));
    byId("panel").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit(onPlay);
    });
  }

  async #submit(onPlay) {
    if (byId("play").disabled) return;
    const form = new FormData(byId("panel"));
    const [name, colour] = [form.get("name").trim(), Number(form.get("colour"))];
    this.#complain(/[\p{L}\p{N}]/u.test(name) ? "" : PROBLEMS.bad_name);
    if (byId("problem").textContent) {
      byId("name").focus();
      return;
    }
    localStorage.setItem("bennu-game:name", name);
    localStorage.setItem("bennu-game:colour", String(colour));
    this.ready = false;
    try {
      await onPlay({ name, colour });
      byId("panel").hidden = true;
      document.activeElement?.blur(); // the keys steer now
    } catch (error) {
      this.#complain(PROBLEMS[error.message] ?? `The server refuses: ${error.message}`);
    }
    this.ready = true;
  }

  #complain(problem) {
    byId("problem").textContent = problem;
    byId("name").setAttribute("aria-invalid", String(problem !== ""));
  }

  /** Whether a game can begin: the page has joined. */
  set ready(isReady) {
    this.#ready = isReady;
    this.#update();
  }

  #update() {
    byId("play").disabled = !this.#ready || this.#paused;
  }

  /** Show the panel again. */
  show(headline, details) {
    byId("headline").textContent = headline;
    byId("lead").textContent = details;
    byId("play").textContent = "Play again";
    byId("panel").hidden = false;
    this.#paused = true;
    this.#update();
    setTimeout(() => {
      this.#paused = false;
      this.#update();
      byId("play").focus();
    }, PAUSE);
  }
}
