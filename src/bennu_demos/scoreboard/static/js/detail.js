// The chosen match: the score, and the timeline of all events.

import { byId, element } from "../design/dom.js";
import { crest } from "./card.js";
import { mark, more, status, title } from "./words.js";

const panel = byId("detail");
const timeline = byId("timeline");

export class Detail {
  match = null;
  #status = null;
  #shown = []; // the numbers of the events in the timeline

  /** @param onClose Called when the panel is closed in a narrow window. */
  constructor(onClose) {
    const close = () => {
      if (!panel.classList.contains("open")) return;
      panel.classList.remove("open");
      onClose();
    };
    byId("detail-close").addEventListener("click", close);
    panel.addEventListener("keydown", ({ key }) => key === "Escape" && close());
  }

  show(match) {
    this.match = match;
    this.#shown = [];
    timeline.replaceChildren();
    timeline.scrollTop = 0;
    panel.hidden = !match;
    if (match) this.render();
  }

  /** In a narrow window the panel covers the board. */
  open() {
    panel.classList.add("open");
    byId("detail-close").focus(); // it is hidden in a wide window, and then this does nothing
  }

  render() {
    const { home, away, state } = this.match;
    const score = state && state.phase !== "soon" ? state.score.join(" : ") : "– : –";
    this.#status = element("p", { class: "status" });
    byId("detail-score").replaceChildren(
      side(home),
      element("div", {}, element("p", { class: "result" }, score), this.#status),
      side(away),
    );
    this.tick();
    this.#renderEvents(state?.events ?? []);
  }

  tick() {
    if (!this.match) return;
    const isLive = this.match.isLive;
    this.#status.replaceChildren(
      element("span", { class: `dot ${isLive ? "good" : "off"}`, "aria-hidden": "true" }),
      element("span", isLive ? { class: "minute" } : {}, status(this.match)),
    );
  }

  /** Add the events that are not there yet. A state that was loaded anew replaces all. */
  #renderEvents(events) {
    const isContinued = this.#shown.every((seq, place) => events[place]?.seq === seq);
    if (!isContinued) {
      this.#shown = [];
      timeline.replaceChildren();
    }
    for (const event of events.slice(this.#shown.length)) {
      timeline.prepend(entry(event));
      this.#shown.push(event.seq);
    }
    if (!events.length && !timeline.childElementCount) {
      timeline.append(element("li", { class: "both" }, "Nothing has happened yet."));
    } else if (events.length && timeline.lastChild.dataset.seq === undefined) {
      timeline.lastChild.remove();
    }
  }
}

const side = (club) => element("div", {}, crest(club), element("p", { class: "club" }, element("bdi", {}, club.name)));

function entry(event) {
  const { kind, seq, side, player, minute } = event;
  if (!side) return element("li", { class: "both", "data-seq": seq }, title(event));
  const icon = kind === "yellow" || kind === "red" ? element("span", { class: `mark-${kind}` }) : mark(event);
  const what = element(
    "div",
    { class: "what" },
    element("span", { "aria-hidden": "true" }, icon, " "),
    `${title(event)}: `,
    element("bdi", {}, player),
  );
  const second = more(event);
  if (second) what.append(element("small", {}, second));
  return element("li", { class: `${side} ${kind}`, "data-seq": seq }, element("span", { class: "when" }, `${minute}′`), what);
}
