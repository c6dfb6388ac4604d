// The cursors of others over the text, and our own for them.
//
// They are drawn in a layer, as CodeMirror draws selections: positions and colours are set by script, which a strict policy
// allows. (The plugin of y-codemirror.next writes style attributes, which it forbids, and changes the lines of the text.)

import {
  EditorSelection,
  RectangleMarker,
  StateEffect,
  ViewPlugin,
  createAbsolutePositionFromRelativePosition,
  createRelativePositionFromTypeIndex,
  layer,
} from "../vendor/editor.mjs";
import { element } from "../design/dom.js";

const NAMED_FOR = 2_500; // milliseconds after a move for which a cursor shows its name
const SENT_EVERY = 80; // milliseconds: our own cursor moves with each key

const redraw = StateEffect.define();
const isRedraw = (update) =>
  update.docChanged || update.geometryChanged || update.transactions.some(({ effects }) => effects.some((one) => one.is(redraw)));

class Box {
  constructor(rectangle, colour) {
    Object.assign(this, { rectangle, colour });
  }

  eq(other) {
    return this.colour === other.colour && this.rectangle.eq(other.rectangle);
  }

  draw() {
    const box = this.rectangle.draw();
    box.style.setProperty("--tint", this.colour);
    return box;
  }
}

class Caret {
  constructor({ left, top, height }, { name, colour, isNamed, isAtEnd }) {
    Object.assign(this, { left, top, height, name, colour, isNamed, isAtEnd });
  }

  eq(other) {
    return Object.keys(this).every((key) => this[key] === other[key]);
  }

  draw() {
    const label = element("span", { class: "caret-name", dir: "auto" }, this.name);
    const caret = element("div", { class: "caret" }, label);
    this.#place(caret);
    return caret;
  }

  /** Move an element that is there: then the name fades in and out. */
  update(caret) {
    caret.firstChild.textContent = this.name;
    this.#place(caret);
    return true;
  }

  #place(caret) {
    caret.classList.toggle("named", this.isNamed);
    caret.classList.toggle("at-end", this.isAtEnd);
    caret.style.setProperty("--tint", this.colour);
    caret.style.left = `${this.left}px`;
    caret.style.top = `${this.top}px`;
    caret.style.height = `${this.height}px`;
  }
}

/** Return the extension of the editor. */
export function remoteCursors(text, cursors, colourOf) {
  const movedAt = new Map(); // client -> when its cursor has moved

  const place = (json) => createAbsolutePositionFromRelativePosition(json, text.doc)?.index;

  function* others(view) {
    for (const [client, { user, cursor }] of cursors.getStates()) {
      if (client === cursors.clientID || !cursor) continue;
      const [anchor, head] = [place(cursor.anchor), place(cursor.head)];
      if (anchor === undefined || head === undefined) continue;
      const end = view.state.doc.length; // the editor can be a step behind the text
      yield { client, name: user.name, anchor: Math.min(anchor, end), head: Math.min(head, end) };
    }
  }

  function boxes(view) {
    const made = [];
    for (const { name, anchor, head } of others(view)) {
      if (anchor === head) continue;
      const range = EditorSelection.range(anchor, head);
      for (const one of RectangleMarker.forRange(view, "box", range)) made.push(new Box(one, colourOf(name)));
    }
    return made;
  }

  function carets(view) {
    const made = [];
    const now = Date.now();
    for (const { client, name, head } of others(view)) {
      const [at] = RectangleMarker.forRange(view, "caret", EditorSelection.cursor(head));
      if (!at) continue;
      const isNamed = now - (movedAt.get(client) ?? 0) < NAMED_FOR;
      const isAtEnd = at.left > view.scrollDOM.clientWidth / 2;
      made.push(new Caret(at, { name, colour: colourOf(name), isNamed, isAtEnd }));
    }
    return made;
  }

  const follow = ViewPlugin.define((view) => {
    let sending = 0;
    let redrawing = 0;
    const draw = () => view.dispatch({ effects: redraw.of(null) });

    const changed = ({ added, updated, removed }) => {
      const clients = [...added, ...updated].filter((client) => client !== cursors.clientID);
      for (const client of clients) movedAt.set(client, Date.now());
      for (const client of removed) movedAt.delete(client);
      if (!clients.length && !removed.length) return;
      draw();
      clearTimeout(redrawing);
      redrawing = setTimeout(draw, NAMED_FOR + 100); // the names go
    };
    cursors.on("change", changed);

    const send = () => {
      sending = 0;
      const { anchor, head } = view.state.selection.main;
      const at = (index) => createRelativePositionFromTypeIndex(text, index);
      cursors.setLocalStateField("cursor", { anchor: at(anchor), head: at(head) });
    };

    return {
      update(update) {
        const hasMoved = update.selectionSet || (update.docChanged && update.view.hasFocus) || update.focusChanged;
        if (hasMoved && update.view.hasFocus && !sending) sending = setTimeout(send, SENT_EVERY);
      },
      destroy() {
        cursors.off("change", changed);
        clearTimeout(sending);
        clearTimeout(redrawing);
      },
    };
  });

  return [
    follow,
    layer({ above: false, class: "boxes", update: isRedraw, markers: boxes }),
    layer({ above: true, class: "carets", update: isRedraw, markers: carets }),
  ];
}
