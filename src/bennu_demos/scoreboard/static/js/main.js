// The page: connects its parts.

import { Connection, showState } from "../design/connection.js";
import { byId, element } from "../design/dom.js";
import { toast } from "../design/toast.js";
import { Card } from "./card.js";
import { Detail } from "./detail.js";
import { League } from "./league.js";

const connection = new Connection();
const league = new League(connection.socket);
const detail = new Detail(() => cards.get(detail.match?.id)?.element.focus());
const cards = new Map(); // id of a match -> Card
let filter = "all";

const FILTERS = {
  all: () => true,
  live: ({ isLive }) => isLive,
  over: ({ state }) => state?.phase === "over",
};
const EMPTY = {
  all: ["No matches today", "The next round is drawn in a moment."],
  live: ["No match is live", "The next one appears here at its kick-off."],
  over: ["No match is over yet", "A match appears here after its full time."],
};

function choose(match) {
  detail.show(match);
  for (const [id, { element }] of cards) element.setAttribute("aria-pressed", id === match?.id);
}

function renderBoard() {
  let shown = 0;
  for (const { element, match } of cards.values()) {
    element.hidden = !FILTERS[filter](match);
    shown += Number(!element.hidden);
  }
  byId("empty").hidden = shown > 0 || !league.number;
  [byId("empty-title").textContent, byId("empty-text").textContent] = EMPTY[filter];
}

league.addEventListener("round", () => {
  byId("loading").hidden = true;
  byId("round").textContent = `Round ${league.number}`;
  for (const [id, { element, match }] of cards) {
    if (league.matches.get(id) === match) continue;
    element.remove();
    cards.delete(id);
  }
  for (const [id, match] of league.matches) {
    if (cards.has(id)) continue;
    const card = new Card(match);
    cards.set(id, card);
    byId("matches").append(card.element);
  }
  if (!league.matches.has(detail.match?.id)) choose([...league.matches.values()][0]);
  renderBoard();
});

league.addEventListener("change", ({ detail: match }) => {
  cards.get(match.id)?.render();
  if (detail.match === match) detail.render();
  renderBoard();
});

league.addEventListener("goal", ({ detail: { match, event } }) => {
  cards.get(match.id)?.celebrate();
  const scorer = event.side === "home" ? match.home : match.away;
  const text = `Goal! ${scorer.name}: ${event.player}. ${match.home.name} ${event.score.join(" : ")} ${match.away.name}`;
  if (!cards.get(match.id)?.isSeen) toast(`Goal! ${match.home.code} ${event.score.join(" : ")} ${match.away.code}`);
  byId("news").replaceChildren(element("span", {}, text));
});

setInterval(() => {
  for (const card of cards.values()) card.tick();
  detail.tick();
}, 500);

byId("matches").addEventListener("click", ({ target }) => {
  const chosen = target.closest("[data-match]");
  if (!chosen) return;
  choose(cards.get(chosen.dataset.match).match);
  detail.open();
});
byId("filters").addEventListener("click", ({ target }) => {
  if (!target.dataset.filter) return;
  filter = target.dataset.filter;
  for (const button of byId("filters").children) button.setAttribute("aria-pressed", button.dataset.filter === filter);
  renderBoard();
});
byId("skip").addEventListener("click", () => byId("board").focus());
connection.addEventListener("state", () => document.body.toggleAttribute("data-stale", connection.state !== "online"));
showState(connection, byId("banner"));
connection.connect();
