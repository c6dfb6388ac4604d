// The page with the documents of this browser.

import { byId, element } from "../design/dom.js";
import { linkTo, WELCOME } from "./links.js";
import { keepName, myName, tidy } from "./names.js";
import { shelf } from "./shelf.js";

const PROBLEMS = {
  too_many_documents: "The server has as many documents as it can keep. Use one that is there.",
};

byId("name").value = myName();

function row({ id, key, title, openedAt }) {
  const day = openedAt ? new Date(openedAt).toLocaleDateString(undefined, { dateStyle: "medium" }) : "For everybody";
  const name = element("bdi", { class: "name" }, title || "Untitled");
  const note = element("span", { class: "note" }, key ? day : `${day} · read only`);
  return element("li", {}, element("a", { href: linkTo({ id, key }) }, name, note));
}

function render() {
  const kept = shelf();
  const welcome = { ...WELCOME, title: "Welcome" };
  const hasWelcome = kept.some(({ id }) => id === WELCOME.id);
  byId("documents").replaceChildren(...(hasWelcome ? kept : [...kept, welcome]).map(row));
}

byId("name").addEventListener("change", () => tidy(byId("name").value) && keepName(byId("name").value));

byId("start").addEventListener("submit", async (event) => {
  event.preventDefault();
  keepName(byId("name").value);
  byId("problem").textContent = "";
  byId("new").disabled = true;
  try {
    const response = await fetch(new URL("documents", document.baseURI), { method: "POST" });
    const answer = await response.json();
    if (response.ok) location.assign(linkTo(answer));
    else byId("problem").textContent = PROBLEMS[answer.reason] ?? "The server could not make a document. Try again.";
  } catch {
    byId("problem").textContent = "The server does not answer. Check your network, and try again.";
  } finally {
    byId("new").disabled = false;
  }
});

addEventListener("pageshow", render); // also when the person comes back from a document
