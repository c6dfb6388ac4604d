// What the page says in text: the score, the place, the board, the news.

import { byId, element, isolated } from "../design/dom.js";

const ordinal = (number) => {
  const ending = { one: "st", two: "nd", few: "rd", other: "th" }[new Intl.PluralRules("en", { type: "ordinal" }).select(number)];
  return `${number}${ending}`;
};
const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

export class Hud {
  #place = 0;
  #own = 0;

  /** Tell something that a person who does not see the arena must know. */
  say(text) {
    const news = byId("news");
    news.append(element("span", {}, `${text} `));
    while (news.childElementCount > 3) news.firstElementChild.remove();
  }

  /** Show the score of the own snake; null if there is none. */
  showSnake(snake) {
    byId("mine").hidden = !snake;
    if (!snake) {
      this.#own = this.#place = 0;
      return;
    }
    if (this.#own !== snake.id) byId("place").textContent = "";
    this.#own = snake.id;
    const score = String(snake.score);
    if (byId("score").textContent === score) return;
    byId("score").textContent = score;
    byId("unit").textContent = snake.score === 1 ? "point" : "points";
  }

  /** Show the board that the server sends twice a second. */
  showBoard({ rows, snakes, people }) {
    byId("board").hidden = rows.length === 0;
    byId("rows").replaceChildren(
      ...rows.map(({ place, id, name, score, is_bot: isBot }, index) => {
        const row = element("li", { class: "row" }, element("span", { class: "number" }, String(place)), element("bdi", {}, name));
        if (isBot) row.append(element("span", { class: "bot" }, "bot"));
        row.append(element("span", { class: "points" }, String(score)));
        row.classList.toggle("me", id === this.#own);
        row.classList.toggle("apart", place > index + 1);
        return row;
      }),
    );
    byId("snakes").textContent = `${count(snakes, "snake")}, `;
    byId("people").textContent = people === 1 ? "1 person" : `${people} people`;
    const own = rows.find(({ id }) => id === this.#own);
    if (!own) return;
    byId("place").textContent = `${ordinal(own.place)} of ${snakes}`;
    if (own.place === 1 && this.#place > 1) this.say("You are the best snake now.");
    this.#place = own.place;
  }

  showPing(milliseconds, lag) {
    byId("ping").hidden = milliseconds === null;
    if (milliseconds === null) return;
    byId("ping").textContent = `${Math.round(milliseconds)} ms${lag ? `, ${lag} simulated` : ""}`;
  }
}

/** What to tell a person whose snake died: a headline, and the details. */
export function obituary({ by, score, place, snakes, ticks }, tickMs) {
  const seconds = Math.round((ticks * tickMs) / 1000);
  const time = seconds < 60 ? count(seconds, "second") : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return {
    headline: by === null ? "You left the arena" : `You ran into ${isolated(by)}`,
    details: `${count(score, "point")} in ${time}: ${ordinal(place)} of ${snakes}.`,
  };
}
