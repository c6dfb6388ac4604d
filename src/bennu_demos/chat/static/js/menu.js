// The menu of a message or of a person: a list of buttons in a popover beside the button that opens it.

import { byId, element } from "../design/dom.js";

let opener = null;

/** Open the menu beside a button. Each item is [text, act] or [text, act, "bad"]. */
export function openMenu(button, items) {
  const menu = byId("menu-popover");
  opener = button;
  menu.replaceChildren(
    ...items.map(([text, act, kind = ""]) => {
      const item = element("button", { type: "button", role: "menuitem", class: kind }, text);
      item.addEventListener("click", () => {
        menu.hidePopover();
        act();
      });
      return item;
    }),
  );
  menu.showPopover();
  const place = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const below = place.bottom + height + 8 < innerHeight;
  menu.style.left = `${Math.max(8, Math.min(place.right - width, innerWidth - width - 8))}px`;
  menu.style.top = `${Math.max(8, below ? place.bottom + 4 : place.top - height - 4)}px`;
  menu.firstElementChild.focus();
}

byId("menu-popover").addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const items = [...event.currentTarget.children];
  items[(items.indexOf(document.activeElement) + step + items.length) % items.length].focus();
});
byId("menu-popover").addEventListener("toggle", ({ newState }) => {
  if (newState === "closed" && !document.activeElement?.closest("dialog, textarea")) opener?.focus();
});
