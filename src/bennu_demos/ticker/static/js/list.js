// The list: draws only the rows in sight, of any number of companies.

import { byId, onceAFrame } from "../design/dom.js";
import { Row } from "./row.js";

const BEYOND = 3; // rows above and below those in sight

export class List {
  companies = [];
  chosen = null; // the symbol

  #grid = byId("grid");
  #rows = byId("rows");
  #pool = [];
  #feed;
  #stars;
  #on;
  #changed = new Set(); // symbols whose rows are drawn in the next frame
  #drawSoon = onceAFrame(() => this.#draw());

  /** @param on `{ choose(symbol), open(symbol), sight(symbols) }` */
  constructor(feed, stars, on) {
    this.#feed = feed;
    this.#stars = stars;
    this.#on = on;
    this.#grid.addEventListener("scroll", this.#drawSoon);
    this.#grid.addEventListener("keydown", (event) => this.#key(event));
    this.#rows.addEventListener("click", (event) => this.#click(event));
    new ResizeObserver(() => this.redraw()).observe(this.#grid);
    feed.addEventListener("prices", ({ detail }) => {
      for (const symbol of detail) this.#changed.add(symbol);
      this.#drawSoon();
    });
    stars.addEventListener("change", this.#drawSoon);
  }

  /** Show these companies, from the first. */
  show(companies, { keepsPlace = false } = {}) {
    this.companies = companies;
    this.#grid.setAttribute("aria-rowcount", companies.length + 1);
    this.#rows.style.height = `${companies.length * this.#height}px`;
    this.#grid.hidden = !companies.length;
    if (!keepsPlace) this.#grid.scrollTop = 0;
    this.#drawSoon();
  }

  redraw() {
    this.#rows.style.height = `${this.companies.length * this.#height}px`;
    for (const { symbol } of this.#pool) this.#changed.add(symbol);
    this.#drawSoon();
  }

  focus() {
    this.#grid.focus();
  }

  /** Choose the company at a place, and scroll to it. */
  choose(place) {
    const last = this.companies.length - 1;
    const at = Math.min(Math.max(place, 0), last);
    if (at < 0) return;
    const height = this.#height;
    const top = at * height;
    const head = this.#head;
    const seen = this.#grid.clientHeight - head;
    if (top < this.#grid.scrollTop) this.#grid.scrollTop = top;
    else if (top + height > this.#grid.scrollTop + seen) this.#grid.scrollTop = top + height - seen;
    this.chosen = this.companies[at][0];
    this.#on.choose(this.chosen);
    this.#drawSoon();
  }

  get #height() {
    return 3.5 * parseFloat(getComputedStyle(document.documentElement).fontSize);
  }

  get #head() {
    return this.#rows.offsetTop - this.#grid.offsetTop;
  }

  get #place() {
    return this.companies.findIndex(([symbol]) => symbol === this.chosen);
  }

  #draw() {
    const height = this.#height;
    const first = Math.max(0, Math.floor(this.#grid.scrollTop / height) - BEYOND);
    const count = Math.ceil(this.#grid.clientHeight / height) + 2 * BEYOND;
    const places = this.companies.slice(first, first + count).map((company, at) => [first + at, company]);
    while (this.#pool.length < count) this.#pool.push(new Row());
    const used = new Set();
    for (const [place, company] of places) {
      const row = this.#pool[place % this.#pool.length]; // a row that stays in sight stays the same element
      used.add(row);
      const [symbol] = company;
      if (!row.element.isConnected) this.#rows.append(row.element);
      const isNew = row.place(company, place, height, this.#stars.has(symbol), symbol === this.chosen);
      if (isNew || this.#changed.has(symbol)) row.draw(this.#feed.held.get(symbol));
    }
    for (const row of this.#pool) if (!used.has(row)) row.element.remove();
    this.#changed.clear();
    const place = this.#place;
    const isInSight = place >= first && place < first + count;
    if (isInSight) this.#grid.setAttribute("aria-activedescendant", `row-${place}`);
    else this.#grid.removeAttribute("aria-activedescendant");
    this.#on.sight(places.map(([, [symbol]]) => symbol));
  }

  #click(event) {
    const row = this.#pool.find(({ element }) => element.contains(event.target));
    if (!row) return;
    if (row.star.contains(event.target)) {
      this.#stars.toggle(row.symbol);
      return;
    }
    this.choose(this.companies.findIndex(([symbol]) => symbol === row.symbol));
    this.#on.open(row.symbol);
  }

  #key(event) {
    const page = Math.max(1, Math.floor(this.#grid.clientHeight / this.#height) - 1);
    const place = this.#place;
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps) this.choose(place < 0 ? 0 : place + steps[event.key]);
    else if (event.key === " " && this.chosen) this.#stars.toggle(this.chosen);
    else if (event.key === "Enter" && this.chosen) this.#on.open(this.chosen);
    else return;
    event.preventDefault();
  }
}
