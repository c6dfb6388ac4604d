// The views of the page, by the fragment of its address: #overview, #clients, #inspector.

import { byId } from "./dom.mjs";

const links = [...byId("views").querySelectorAll("a")];
const names = links.map((link) => link.hash.slice(1));

export function show() {
  const wanted = location.hash.slice(1);
  const name = names.includes(wanted) ? wanted : names[0];
  for (const link of links) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  for (const one of names) byId(one).hidden = one !== name;
}

/** Go to a view. */
export function go(name) {
  location.hash = name;
  show();
}

addEventListener("hashchange", show);
