// Short notes at the bottom of the page. A screen reader reads them too.

import { element } from "./dom.js";

const SHOWN_FOR = 5_000;
const MOST = 2; // at once: more of them would cover the page
let box = null;

/** Show a note for some seconds; `kind` is "" or "bad". */
export function toast(text, kind = "") {
  if (!box) {
    box = element("div", { class: "toasts", role: "status" });
    document.body.append(box);
  }
  const note = element("p", { class: `toast ${kind}`.trim() }, text);
  box.append(note);
  if (box.childElementCount > MOST) box.firstElementChild.remove();
  setTimeout(() => note.remove(), SHOWN_FOR);
}
