// The page: connects its parts.

import { Connection, showState } from "../design/connection.js";
import { byId, element } from "../design/dom.js";
import { Detail } from "./detail.js";
import { Feed } from "./feed.js";
import { List } from "./list.js";
import { Stars } from "./stars.js";
import { minutes, percent, way, write } from "./words.js";

const connection = new Connection();
const stars = new Stars();
const feed = new Feed(connection.socket);
const detail = new Detail(feed, stars, () => list.focus());
const list = new List(feed, stars, {
  choose: (symbol) => {
    detail.show(companies.get(symbol));
    watch();
  },
  open: () => detail.open(),
  sight: (symbols) => {
    inSight = symbols;
    watch();
  },
});

let seed = null; // of the companies
let companies = new Map(); // symbol -> [symbol, name, sector]
let inSight = [];
let view = "traded";

const watch = () => feed.show(list.chosen ? [...inSight, list.chosen] : inSight);

// Which companies the list has.

const known = (movers) => movers.map(([symbol]) => companies.get(symbol)).filter(Boolean);
const VIEWS = {
  traded: () => [...companies.values()],
  name: () => [...companies.values()].sort(([one], [other]) => one.localeCompare(other)),
  starred: () => [...companies.values()].filter(([symbol]) => stars.has(symbol)),
  gainers: () => known(feed.market?.gainers ?? []),
  losers: () => known(feed.market?.losers ?? []),
};

function found() {
  const words = byId("search").value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return VIEWS[view]();
  const fits = ([symbol, name]) => words.every((word) => `${symbol} ${name}`.toLocaleLowerCase().includes(word));
  const exact = ([symbol]) => Number(symbol.toLocaleLowerCase() !== words[0]);
  return VIEWS[view]().filter(fits).sort((one, other) => exact(one) - exact(other));
}

function render({ keepsPlace = false } = {}) {
  const shown = found();
  list.show(shown, { keepsPlace });
  byId("empty").hidden = shown.length > 0 || !companies.size;
  const isSearch = byId("search").value.trim() !== "";
  write(byId("empty-title"), isSearch ? "Nothing found" : "Your watch list is empty");
  write(
    byId("empty-text"),
    isSearch ? "No symbol and no company here has these words." : "The star beside a symbol adds it to this list.",
  );
}

function setView(name) {
  view = name;
  for (const button of byId("views").children) button.setAttribute("aria-pressed", button.dataset.view === name);
  render();
}

byId("views").addEventListener("click", ({ target }) => target.dataset.view && setView(target.dataset.view));
byId("search").addEventListener("input", () => render());
byId("search").addEventListener("keydown", (event) => {
  if (event.key !== "ArrowDown") return;
  event.preventDefault();
  list.focus();
  list.choose(0);
});
byId("skip").addEventListener("click", () => list.focus());
stars.addEventListener("change", () => view === "starred" && render({ keepsPlace: true }));

/** Load the companies of the market with this seed, unless the page has them. */
async function load(wanted) {
  if (wanted === seed) return;
  try {
    const response = await fetch("companies.json");
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    const directory = await response.json();
    seed = directory.seed;
    companies = new Map(directory.companies.map((company) => [company[0], company]));
    byId("loading").hidden = true;
    render();
    if (!companies.has(list.chosen)) list.choose(0);
  } catch {
    write(byId("loading"), "The symbols could not be loaded. Trying again…");
    setTimeout(load, 2_000, wanted);
  }
}

// The whole market.

function showMarket() {
  const { session, index, change, rising, falling } = feed.market;
  const time = minutes(session.seconds_left);
  write(byId("session-text"), session.is_open ? `Open, closes in ${time}` : `Closed, opens in ${time}`);
  byId("session").firstChild.className = `dot ${session.is_open ? "good" : "off"}`;
  const changed = element("span", { class: "change", "data-way": way(change) }, percent(change));
  const points = (index / 100).toLocaleString("en", { minimumFractionDigits: 2 });
  byId("index").replaceChildren(
    element("span", {}, `Index ${points} `, changed),
    element("span", { class: "muted" }, `${rising.toLocaleString("en")} up, ${falling.toLocaleString("en")} down`),
  );
  if (view === "gainers" || view === "losers") render({ keepsPlace: true });
}

let last = { batches: 0, prices: 0 };
setInterval(() => {
  const { batches, prices, held } = feed;
  const texts = [`Symbols watched: ${held.size}`, `batches in a second: ${batches - last.batches}`, `prices: ${prices - last.prices}`];
  write(byId("stats"), texts.join(", "));
  last = { batches, prices };
}, 1_000);

byId("link").addEventListener("change", ({ target }) => (feed.delay = Number(target.value)));
feed.addEventListener("market", showMarket);
feed.addEventListener("welcome", ({ detail: wanted }) => load(wanted));
connection.addEventListener("state", () => document.body.toggleAttribute("data-stale", connection.state !== "online"));
showState(connection, byId("banner"));
connection.connect();
