// Small charts on canvases, by uPlot. The colours are those of the style sheet, light or dark.

const uPlot = globalThis.uPlot;
const SHOWN = 120; // seconds; at first less
const LEAST = 30;
const dark = matchMedia("(prefers-color-scheme: dark)");
const charts = new Set();
let colours = {};

function readColours() {
  const style = getComputedStyle(document.documentElement);
  colours = Object.fromEntries(["accent", "bad"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

readColours();
dark.addEventListener("change", () => {
  readColours();
  for (const chart of charts) chart.redraw(false);
});

const resized = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) {
    if (contentRect.width) target.chart.setSize({ width: Math.floor(contentRect.width), height: Math.floor(contentRect.height) });
  }
});

const shown = (_, first, last) => [Math.max((last ?? 0) - SHOWN, Math.min(first ?? 0, (last ?? 0) - LEAST)), last ?? 0];

/** Make a chart that fills an element. `show(times, values)` draws; null is a gap. */
export function chart(target, colour = "accent") {
  const made = new uPlot(
    {
      width: 200,
      height: 52,
      padding: [4, 0, 0, 0],
      cursor: { show: false },
      legend: { show: false },
      axes: [{ show: false }, { show: false }],
      scales: { x: { time: false, range: shown }, y: { range: (_, low, high) => [0, Math.max(high ?? 0, 1e-9) * 1.15] } },
      series: [{}, { stroke: () => colours[colour], fill: () => `${colours[colour]}22`, width: 1.5, points: { show: false } }],
    },
    [[], []],
    target,
  );
  charts.add(made);
  target.chart = made;
  resized.observe(target);
  return (times, values) => made.setData([times, values]);
}
