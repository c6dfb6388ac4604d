// The people who have the document open.

import { Presence } from "../../socket/phoenix.mjs";
import { avatar, compareNames, palette } from "../design/people.js";
import { byId, element, onceAFrame } from "../design/dom.js";

const FACES = 4;

/** The pages as people, by their names: one person can have several pages. */
function peopleOf(pages, me) {
  const people = new Map();
  for (const { name, mode, client } of pages) {
    const person = people.get(name) ?? { name, pages: 0, canWrite: false, isMe: false };
    person.pages += 1;
    person.canWrite ||= mode === "write";
    person.isMe ||= client === me;
    people.set(name, person);
  }
  return [...people.values()].sort((a, b) => b.isMe - a.isMe || compareNames(a.name, b.name));
}

function row({ name, pages, canWrite, isMe }) {
  const notes = [isMe && "you", pages > 1 && `${pages} windows`, !canWrite && "reads"].filter(Boolean);
  const who = element("span", { class: "who" }, element("bdi", { class: "name" }, name));
  if (notes.length) who.append(element("span", { class: "note" }, notes.join(" · ")));
  return element("li", {}, avatar(name), who);
}

/** Show who is here, as long as the page is connected. */
export function showPeople(session) {
  const presence = new Presence(session.channel);
  presence.onLeave((_, current, left) => {
    // Its cursor goes, too: the server that had the page may have crashed.
    if (!current.metas.length) session.cursors.remove(left.metas.map(({ client }) => client));
  });

  const render = onceAFrame(() => {
    const pages = session.isHere ? presence.list((_, { metas }) => metas[0]) : [];
    const people = peopleOf(pages, session.doc.clientID);
    palette.here = new Set(people.map(({ name }) => name));
    byId("faces").replaceChildren(...people.slice(0, FACES).map(({ name }) => smallAvatar(name)));
    byId("people-button").hidden = !people.length;
    byId("count").textContent = `${people.length} here`;
    byId("people-list").replaceChildren(...people.map(row));
  });
  presence.onSync(render);
  session.addEventListener("state", render);
  render();
}

function smallAvatar(name) {
  const made = avatar(name);
  made.classList.add("small");
  return made;
}
