// The chosen symbol: its names, its price, its chart, and more numbers.

import { byId, onceAFrame } from "../design/dom.js";
import { BigChart } from "./chart.js";
import { changeOf, money, shares, write, writeChange } from "./words.js";

const panel = byId("detail");
const fact = (name) => panel.querySelector(`[data-fact="${name}"]`);

export class Detail {
  #company = null;
  #feed;
  #stars;
  #chart = new BigChart(byId("detail-chart"));
  #drawSoon = onceAFrame(() => this.#draw());

  /** @param onClose Called when the panel is closed in a narrow window. */
  constructor(feed, stars, onClose) {
    this.#feed = feed;
    this.#stars = stars;
    const close = () => {
      if (!panel.classList.contains("open")) return;
      panel.classList.remove("open");
      onClose();
    };
    feed.addEventListener("prices", ({ detail }) => this.#company && detail.has(this.#company[0]) && this.#drawSoon());
    stars.addEventListener("change", this.#drawSoon);
    byId("detail-star").addEventListener("click", () => stars.toggle(this.#company[0]));
    byId("detail-close").addEventListener("click", close);
    panel.addEventListener("keydown", ({ key }) => key === "Escape" && close());
  }

  show(company) {
    this.#company = company;
    this.#drawSoon();
  }

  /** In a narrow window the panel covers the list. */
  open() {
    panel.classList.add("open");
    byId("detail-close").focus(); // it is hidden in a wide window, and then this does nothing
    this.#drawSoon();
  }

  #draw() {
    const [symbol, name, sector] = this.#company;
    const held = this.#feed.held.get(symbol);
    const isStarred = this.#stars.has(symbol);
    write(byId("detail-symbol").firstChild, symbol);
    write(byId("detail-name").firstChild, name);
    write(fact("sector"), sector);
    byId("detail-star").setAttribute("aria-pressed", isStarred);
    write(byId("detail-star").firstChild, isStarred ? "★" : "☆");
    write(byId("detail-price"), held ? money(held.quote.price) : "–");
    if (held) writeChange(byId("detail-change"), changeOf(held.quote));
    else write(byId("detail-change"), "");
    for (const key of ["previous", "high", "low"]) write(fact(key), held ? money(held.quote[key]) : "–");
    write(fact("volume"), held ? shares(held.quote.volume) : "–");
    byId("detail-chart").setAttribute("aria-label", `Chart of ${symbol} in the last four minutes`);
    if (panel.clientWidth) this.#chart.show(held);
  }
}
