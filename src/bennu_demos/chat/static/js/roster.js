// The list of people in a room, with their devices and status, and the list of recent visitors.

import { byId, element } from "../design/dom.js";
import { avatar } from "../design/people.js";
import { ago, full, since } from "./time.js";

const KINDS = ["computer", "phone"];

export class Roster {
  #here = new Rows(byId("people-list"));
  #gone = new Rows(byId("recent-list"));
  #presences = null;
  #me;

  /** onPerson is called with a name and the button of the row, if the row of another person is clicked. */
  constructor(me, onPerson) {
    this.#me = me;
    for (const list of [byId("people-list"), byId("recent-list")]) {
      list.addEventListener("click", ({ target }) => {
        const button = target.closest("button");
        if (button) onPerson(button.dataset.name, button);
      });
    }
    setInterval(() => this.#renderGone(), 30_000); // "5 min ago" changes with time
  }

  /** Show the people and the recent visitors of a room. */
  render(presences) {
    this.#presences = presences;
    const here = presences.here();
    byId("people-number").textContent = here.length || "";
    byId("recent-title").textContent = presences.members.length ? "Not here now" : "Here recently";
    this.#here.render(here, (row, person) => this.#renderPerson(row, person));
    this.#renderGone();
  }

  #renderPerson(row, { name, status, since: start, devices }) {
    const isAway = status === "away";
    row.item.dataset.status = status;
    row.more.hidden = name === this.#me;
    row.you.textContent = name === this.#me ? "you" : "";
    row.note.textContent = isAway ? `Away since ${since(start)}` : "";
    row.spoken.textContent = `${isAway ? "" : "online"}${many(devices) ? `, ${devices.length} devices` : ""}`;
    // A single computer is the usual case, and has no sign.
    const kinds = many(devices) || devices[0] !== "computer" ? KINDS : [];
    row.devices.replaceChildren(...kinds.flatMap((kind) => sign(kind, devices)));
    row.devices.title = kinds.length ? list(devices) : "";
  }

  #renderGone() {
    const gone = this.#presences?.gone() ?? [];
    byId("recent").hidden = !gone.length;
    this.#gone.render(gone, (row, { seenAt }) => {
      row.item.dataset.status = "gone";
      row.note.textContent = seenAt ? ago(seenAt) : "";
      row.note.title = seenAt ? full(seenAt) : "";
      row.more.hidden = row.item.dataset.name === this.#me;
    });
  }
}

/** Rows by name. A row keeps its element, so that nothing flickers and no selection is lost. */
class Rows {
  #list;
  #rows = new Map();

  constructor(list) {
    this.#list = list;
  }

  render(people, renderRow) {
    const names = new Set(people.map(({ name }) => name));
    for (const [name, row] of this.#rows) {
      if (names.has(name)) continue;
      row.item.remove();
      this.#rows.delete(name);
    }
    people.forEach((person, index) => {
      const row = this.#rows.get(person.name) ?? rowOf(person.name);
      this.#rows.set(person.name, row);
      renderRow(row, person);
      if (this.#list.children[index] !== row.item) {
        this.#list.insertBefore(row.item, this.#list.children[index] ?? null);
      }
    });
  }
}

function rowOf(name) {
  const row = {
    you: element("span", { class: "you" }),
    note: element("span", { class: "person-note" }),
    spoken: element("span", { class: "visually-hidden" }),
    devices: element("span", { class: "devices", "aria-hidden": "true" }),
    more: element(
      "button",
      { type: "button", class: "person-more", "data-name": name, "aria-haspopup": "menu", "aria-label": `More about ${name}` },
      byId("more-sign").content.cloneNode(true),
    ),
  };
  const face = element("span", { class: "face", "aria-hidden": "true" }, avatar(name), element("i"));
  row.item = element(
    "li",
    { class: "person", "data-name": name },
    face,
    element(
      "span",
      { class: "person-text" },
      element("span", { class: "person-name" }, element("bdi", { title: name }, name), " ", row.you),
      " ",
      row.note,
      row.spoken,
    ),
    row.devices,
    row.more,
  );
  return row;
}

const many = (devices) => devices.length > 1;

/** The sign of a kind of device, with the number of such devices. */
function sign(kind, devices) {
  const count = devices.filter((device) => device === kind).length;
  if (!count) return [];
  const picture = byId(`${kind}-sign`).content.cloneNode(true);
  return [element("span", { class: "device" }, picture, count > 1 ? String(count) : "")];
}

/** "1 computer, 2 phones" */
function list(devices) {
  return KINDS.flatMap((kind) => {
    const count = devices.filter((device) => device === kind).length;
    return count ? [`${count} ${kind}${count > 1 ? "s" : ""}`] : [];
  }).join(", ");
}
