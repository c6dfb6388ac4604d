// The card of a match on the board.

import { element } from "../design/dom.js";
import { tint } from "../design/people.js";
import { line, status } from "./words.js";

const GOAL_SHOWN_FOR = 6_000;

export const crest = ({ code }) => tint(element("span", { class: "crest", "aria-hidden": "true" }, code), code);

function write(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

export class Card {
  #sides;
  #minute = element("span");
  #dot = element("span", { class: "dot off", "aria-hidden": "true" });
  #goal = element("span", { class: "goal", hidden: "" }, "Goal!");
  #last = element("span", { class: "last", dir: "auto" });
  #timer;

  constructor(match) {
    this.match = match;
    this.#sides = [match.home, match.away].map((club) => {
      const goals = element("span", { class: "goals" }, "–");
      const name = element("bdi", { class: "club", title: club.name }, club.name);
      return { goals, row: element("span", { class: "side" }, crest(club), name, goals) };
    });
    this.element = element(
      "button",
      { class: "match", type: "button", "aria-pressed": "false", "data-match": match.id },
      element("span", { class: "status" }, this.#dot, this.#minute, this.#goal),
      ...this.#sides.map(({ row }) => row),
      this.#last,
    );
    this.render();
  }

  /** Show the state of the match. */
  render() {
    const { state, isLive } = this.match;
    this.tick();
    this.#dot.className = `dot ${isLive ? "good" : "off"}`;
    this.#minute.classList.toggle("minute", isLive);
    if (!state) return;
    const { score, events, phase } = state;
    this.#sides.forEach(({ goals, row }, side) => {
      write(goals, phase === "soon" ? "–" : String(score[side]));
      row.classList.toggle("behind", phase === "over" && score[side] < score[1 - side]);
    });
    const last = events.findLast(({ player }) => player);
    write(this.#last, last ? line(last) : "");
  }

  /** Show the time. */
  tick() {
    write(this.#minute, status(this.match));
  }

  /** Whether the person sees the card: it is in the window, and nothing covers it. */
  get isSeen() {
    const { left, top, width, height } = this.element.getBoundingClientRect();
    return this.element.contains(document.elementFromPoint(left + width / 2, top + height / 2));
  }

  celebrate() {
    this.#goal.hidden = false;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.#goal.hidden = true), GOAL_SHOWN_FOR);
  }
}
