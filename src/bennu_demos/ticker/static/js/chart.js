// Charts on canvases, by uPlot. The colours are those of the style sheet, light or dark.

const uPlot = globalThis.uPlot;
const SECONDS = 2; // between two points

const dark = matchMedia("(prefers-color-scheme: dark)");
const charts = new Set();
let colours = {};

function readColours() {
  const style = getComputedStyle(document.documentElement);
  colours = Object.fromEntries(
    ["good", "bad", "muted", "line", "edge"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]),
  );
}

dark.addEventListener("change", () => {
  readColours();
  for (const chart of charts) chart.redraw(false);
});
readColours();

const SHARED = {
  cursor: { show: false },
  legend: { show: false },
  scales: { x: { time: false } },
};

/** A dashed line at the price of the session before, if it is in sight. */
function drawPrevious(chart) {
  const { previous } = chart;
  const { min, max } = chart.scales.y;
  if (previous === undefined || min === null || previous < min || previous > max) return;
  const { ctx, bbox } = chart;
  const y = Math.round(chart.valToPos(previous, "y", true));
  ctx.save();
  ctx.strokeStyle = colours.edge;
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.restore();
}

const colour = ({ isDown }) => (isDown ? colours.bad : colours.good);

function make(options, target) {
  const chart = new uPlot({ ...SHARED, hooks: { draw: [drawPrevious] }, ...options }, [[], []], target);
  charts.add(chart);
  return chart;
}

/** Show the points of a symbol and its newest price; nothing if it is not loaded. */
function show(chart, held) {
  const prices = held ? [...held.points, held.quote.price].map((cents) => cents / 100) : [];
  chart.previous = held && held.quote.previous / 100;
  chart.isDown = held && held.quote.price < held.quote.previous;
  chart.setData([prices.map((_, place) => (place - prices.length + 1) * SECONDS), prices]);
}

/** The small chart of a row. */
export class Spark {
  #chart;

  constructor(target, width) {
    this.#chart = make(
      {
        width,
        height: 36,
        padding: [3, 1, 3, 1],
        axes: [{ show: false }, { show: false }],
        series: [{}, { stroke: colour, width: 1.5, points: { show: false } }],
      },
      target,
    );
  }

  show(held) {
    show(this.#chart, held);
  }

  set width(width) {
    if (this.#chart.width !== width) this.#chart.setSize({ width, height: 36 });
  }
}

/** The chart of the chosen symbol, as wide as its element. */
export class BigChart {
  #chart;

  constructor(target) {
    const axis = {
      stroke: () => colours.muted,
      font: "12px system-ui, sans-serif",
      grid: { stroke: () => colours.line, width: 1 },
      ticks: { show: false },
    };
    this.#chart = make(
      {
        width: target.clientWidth || 320,
        height: 240,
        padding: [8, 18, 0, 0],
        axes: [
          {
            ...axis,
            size: 28,
            incrs: [60],
            values: (_, splits) => splits.map((at) => (at === 0 ? "now" : `${at / 60} min`.replace("-", "−"))),
          },
          { ...axis, size: 60, values: (_, splits) => splits.map((value) => value.toFixed(2)) },
        ],
        series: [{}, { stroke: colour, width: 2, points: { show: false } }],
      },
      target,
    );
    new ResizeObserver(() => {
      const width = target.clientWidth;
      if (width && width !== this.#chart.width) this.#chart.setSize({ width, height: 240 });
    }).observe(target);
  }

  show(held) {
    show(this.#chart, held);
  }
}
