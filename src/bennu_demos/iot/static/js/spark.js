// A small chart of temperatures.

const NAMESPACE = "http://www.w3.org/2000/svg";

export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export class Spark {
  root = svg("svg", { class: "spark", viewBox: "0 0 100 20", preserveAspectRatio: "none", "aria-hidden": "true" });
  #line = svg("polyline");
  #last = 0;

  constructor() {
    this.root.append(this.#line);
  }

  /** Draw points: pairs of a time and a value. */
  show(points) {
    const last = points.at(-1)?.[0] ?? 0;
    if (last === this.#last) return;
    this.#last = last;
    const first = points[0][0];
    const values = points.map(([, value]) => value);
    const low = Math.min(...values);
    const span = Math.max(Math.max(...values) - low, 1); // a tenth of a degree does not fill the chart
    const across = (at) => (100 * (at - first)) / Math.max(last - first, 1);
    this.#line.setAttribute(
      "points",
      points.map(([at, value]) => `${across(at).toFixed(1)},${(19 - (18 * (value - low)) / span).toFixed(1)}`).join(" "),
    );
  }
}
