// The list of demos.

import { byId, element } from "./design/dom.js";

function card({ name, title, text, port }) {
  const picture = element("img", { src: `pictures/${name}.png`, alt: "", width: "640", height: "400", loading: "lazy" });
  picture.addEventListener("error", () => picture.classList.add("missing"));
  const heading = element("h2", {}, title);
  const command = element("code", {}, `bennu demo ${name}`);
  if (!port) return element("li", { class: "card demo off" }, picture, heading, element("p", {}, text), element("p", { class: "how" }, "Run ", command));
  const link = element("a", { href: `${location.protocol}//${location.hostname}:${port}/` }, title);
  heading.replaceChildren(link);
  return element("li", { class: "card demo" }, picture, heading, element("p", {}, text), element("p", { class: "how" }, command));
}

try {
  const answer = await fetch("demos.json");
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  byId("demos").append(...(await answer.json()).map(card));
} catch (error) {
  byId("problem").textContent = `The list of demos did not come: ${error.message}. Please reload the page.`;
}
byId("demos").removeAttribute("aria-busy");
