// Moves with a mouse or a finger, by SortableJS. It moves the element; the board gets the operation at the drop.

import { byId } from "../design/dom.js";
import { spotOf } from "./model.js";

const { Sortable } = globalThis; // a script of its own: vendor/sortable.min.js

const SHARED = {
  animation: 120,
  forceFallback: true, // the same drag for a mouse and a finger, drawn by the page
  fallbackOnBody: true,
  fallbackTolerance: 4, // pixels: less is a click
  delay: 200, // milliseconds that a finger rests before it drags: a shorter touch scrolls
  delayOnTouchOnly: true,
  touchStartThreshold: 6,
  scrollSensitivity: 60,
};

// After a drop the browser can send a click to the button under the pointer: this click is the end of the drag.
let isDropping = false;
document.addEventListener("click", (event) => isDropping && event.stopImmediatePropagation(), true);

function dropped() {
  isDropping = true;
  setTimeout(() => (isDropping = false));
}

const idsOf = (box) => [...box.children].map(({ dataset }) => dataset.id).filter(Boolean);
const hasMoved = ({ from, to, oldDraggableIndex, newDraggableIndex }) => from !== to || oldDraggableIndex !== newDraggableIndex;

/** Let lists be dragged by their heads. @param drag {start(id), end(operation or null)} */
export function dragLists(drag) {
  Sortable.create(byId("lanes"), {
    ...SHARED,
    draggable: ".lane",
    handle: ".lane-head",
    filter: ".lane-title, .lane-remove",
    preventOnFilter: false,
    direction: "horizontal",
    onStart: ({ item }) => drag.start(item.dataset.id),
    onEnd: (event) => {
      dropped();
      const { id } = event.item.dataset;
      const spot = spotOf(idsOf(event.to), id);
      drag.end(hasMoved(event) ? { kind: "move_list", list: id, spot } : null);
    },
  });
}

/** Let the cards of a list be dragged, also to other lists. */
export function dragCards(tiles, drag) {
  Sortable.create(tiles, {
    ...SHARED,
    group: "cards",
    draggable: ".tile",
    onStart: ({ item }) => drag.start(item.dataset.id),
    onEnd: (event) => {
      dropped();
      const { id } = event.item.dataset;
      const spot = spotOf(idsOf(event.to), id);
      const list = event.to.closest(".lane").dataset.id;
      drag.end(hasMoved(event) ? { kind: "move_card", card: id, list, spot } : null);
    },
  });
}
