// The tiles at the top: a number, and its chart of the last two minutes.

import { chart } from "./charts.mjs";
import { element, write } from "./dom.mjs";
import { bytes, count, milliseconds, percent, rate } from "./words.mjs";

const TILES = [
  ["connections", "Connections", count],
  ["in", "Client messages", rate],
  ["broadcasts", "Broadcasts", rate],
  ["deliveries", "Deliveries", rate],
  ["drops", "Dropped messages", rate, "bad"],
  ["handlers", "Handlers, p99", milliseconds],
  ["lag", "Event loop lag", milliseconds],
  ["unsent", "For slow clients", bytes],
  ["memory", "Memory", bytes],
  ["cpu", "CPU", percent],
];

export class Tiles {
  #tiles;

  constructor(parent) {
    this.#tiles = TILES.map(([measure, label, words, colour]) => {
      const value = element("p", { class: "value" }, "–");
      const canvas = element("div", { class: "chart", "aria-hidden": "true" });
      parent.append(element("figure", { class: "tile" }, element("figcaption", {}, label), value, canvas));
      return { measure, words, value, draw: chart(canvas, colour) };
    });
  }

  show(history, node) {
    const { times } = history;
    for (const { measure, words, value, draw } of this.#tiles) {
      const values = history.values(measure, node);
      const newest = values.at(-1);
      write(value, newest === null || newest === undefined ? "–" : words(newest));
      draw(times, values);
    }
  }
}
