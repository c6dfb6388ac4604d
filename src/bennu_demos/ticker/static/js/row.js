// A row of the list. The list has a row for each place in sight, and shows another symbol in it after a scroll.

import { element } from "../design/dom.js";
import { Spark } from "./chart.js";
import { changeOf, money, write, writeChange } from "./words.js";

const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class Row {
  symbol = null;
  #spark = null;
  #price = 0; // the price that is shown; 0 for none

  constructor() {
    this.star = element("button", { class: "icon-button star", type: "button", tabindex: "-1" });
    this.name = element("bdi", { class: "symbol" });
    this.company = element("bdi", { class: "company" });
    this.canvas = element("span", { class: "spark", "aria-hidden": "true" });
    this.price = element("span", { class: "price", role: "gridcell" });
    this.change = element("span", { class: "change", role: "gridcell" });
    this.element = element(
      "div",
      { class: "row", role: "row" },
      element("span", { role: "gridcell", class: "star-cell" }, this.star),
      element("span", { class: "names", role: "gridcell" }, this.name, this.company),
      element("span", { class: "spark-cell", role: "gridcell" }, this.canvas),
      this.price,
      this.change,
    );
  }

  /** Show a company at a place of the list. */
  place(company, place, height, isStarred, isChosen) {
    const [symbol, name] = company;
    this.element.style.top = `${place * height}px`;
    this.element.id = `row-${place}`;
    this.element.setAttribute("aria-rowindex", place + 2); // the header is the first
    this.element.setAttribute("aria-selected", isChosen);
    this.star.setAttribute("aria-pressed", isStarred);
    this.star.setAttribute("aria-label", `Watch ${symbol}`);
    write(this.star, isStarred ? "★" : "☆");
    if (symbol === this.symbol) return false;
    this.symbol = symbol;
    this.#price = 0;
    write(this.name, symbol);
    write(this.company, name);
    this.company.title = name;
    return true;
  }

  /** Show the price and the chart; dashes if they are not loaded yet. */
  draw(held) {
    const width = this.canvas.clientWidth;
    this.#spark ??= new Spark(this.canvas, width);
    this.#spark.width = width;
    this.#spark.show(held);
    if (!held) {
      write(this.price, "–");
      write(this.change, "");
      return;
    }
    const { price } = held.quote;
    write(this.price, money(price));
    writeChange(this.change, changeOf(held.quote));
    if (this.#price && price !== this.#price) this.#flash(price > this.#price);
    this.#price = price;
  }

  #flash(isUp) {
    if (calm.matches) return;
    const colour = getComputedStyle(this.price).getPropertyValue(isUp ? "--good-back" : "--bad-back");
    this.price.animate([{ backgroundColor: colour }, { backgroundColor: "transparent" }], 500);
  }
}
