// The editor: CodeMirror with the text of a session.

import {
  Compartment,
  Decoration,
  EditorState,
  EditorView,
  RangeSetBuilder,
  ViewPlugin,
  defaultKeymap,
  drawSelection,
  keymap,
  placeholder,
  yCollab,
  yUndoManagerKeymap,
} from "../vendor/editor.mjs";
import { remoteCursors } from "./cursors.js";

/** Characters of a document that the page accepts. The server has its own limit, in bytes: documents.py. */
export const MAX_TEXT = 200_000;

// Each line has the direction of its first letter: "dir" of a line that the window shows.
const autoDirection = Decoration.line({ attributes: { dir: "auto" } });

const directions = ViewPlugin.fromClass(
  class {
    constructor(view) {
      this.decorations = this.#lines(view);
    }

    update(update) {
      if (update.docChanged || update.viewportChanged) this.decorations = this.#lines(update.view);
    }

    #lines(view) {
      const builder = new RangeSetBuilder();
      for (const { from, to } of view.visibleRanges) {
        for (let at = from; at <= to; ) {
          const line = view.state.doc.lineAt(at);
          builder.add(line.from, line.from, autoDirection);
          at = line.to + 1;
        }
      }
      return builder.finish();
    }
  },
  { decorations: (plugin) => plugin.decorations },
);

// The colours are those of the page: custom properties are inherited by a shadow root.
const looks = EditorView.theme({
  "&": { height: "100%", color: "var(--text)", backgroundColor: "var(--page)", fontSize: "1rem" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--font)", lineHeight: "1.7", padding: "1.25rem 1rem 2rem" },
  ".cm-content": {
    width: "100%",
    maxWidth: "46rem",
    minHeight: "100%",
    margin: "0 auto",
    padding: "2.5rem clamp(1rem, 6vw, 4rem) 5rem",
    border: "1px solid var(--line)",
    borderRadius: "var(--r2)",
    backgroundColor: "var(--surface)",
    caretColor: "var(--text)",
    overflowWrap: "anywhere",
  },
  "&.cm-focused .cm-content": { borderColor: "var(--edge)" },
  ".cm-line": { padding: "0", textAlign: "start" },
  ".cm-placeholder": { color: "var(--muted)" },
  ".cm-cursor": { borderLeft: "2px solid var(--text)", marginLeft: "-1px" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    background: "color-mix(in srgb, var(--accent) 24%, transparent)",
  },
  // The layers lie over the paper, which is not transparent.
  ".cm-selectionLayer, .boxes": { zIndex: "1 !important", pointerEvents: "none" },
  ".carets": { pointerEvents: "none" },
  ".box": { background: "color-mix(in srgb, var(--tint) 22%, transparent)" },
  ".caret": { position: "absolute", width: "2px", marginLeft: "-1px", background: "var(--tint)" },
  ".caret-name": {
    position: "absolute",
    bottom: "100%",
    left: "0",
    maxWidth: "12rem",
    padding: "0 0.375rem",
    overflow: "hidden",
    borderRadius: "0.375rem 0.375rem 0.375rem 0",
    background: "var(--tint)",
    color: "var(--on-tint)",
    fontSize: "0.6875rem",
    fontWeight: "600",
    lineHeight: "1.35",
    textOverflow: "ellipsis",
    whiteSpace: "nowrap",
    opacity: "0",
    transition: "opacity 0.3s",
  },
  ".at-end .caret-name": { right: "0", left: "auto", borderRadius: "0.375rem 0.375rem 0 0.375rem" },
  ".named .caret-name": { opacity: "1" },
  "@media (prefers-reduced-motion: reduce)": { ".caret-name": { transition: "none" } },
  "@media (max-width: 46rem)": {
    ".cm-scroller": { padding: "0" },
    ".cm-content": { border: "0 !important", borderRadius: "0", padding: "1.75rem 1rem 5rem" },
  },
});

// A compartment is a part of the editor's configuration that can change.
const readOnly = new Compartment();
const isReadOnly = (is) => [EditorState.readOnly.of(is), EditorView.editable.of(!is)];

/** Keep local edits below the limit. What comes from others is never refused: then the texts would differ. */
const limited = (onTooLong) =>
  EditorState.transactionFilter.of((transaction) => {
    const isOurs = transaction.isUserEvent("input");
    const { length } = transaction.newDoc;
    if (!isOurs || length <= MAX_TEXT || length <= transaction.startState.doc.length) return transaction;
    onTooLong();
    return [];
  });

/**
 * Show the text of a session in an element.
 *
 * The editor is in a shadow root: there CodeMirror adds its styles by script, and not by a <style>, which the page's policy
 * forbids.
 */
export function openEditor(parent, session, { colourOf, onTooLong }) {
  const root = parent.attachShadow({ mode: "open" });
  const view = new EditorView({
    parent: root,
    root,
    state: EditorState.create({
      doc: session.text.toString(),
      extensions: [
        looks,
        drawSelection(),
        directions,
        EditorView.perLineTextDirection.of(true),
        EditorView.lineWrapping,
        // The text can have the focus also if it can't be edited: arrow keys scroll it.
        EditorView.contentAttributes.of({ "aria-label": "Text of the document", tabindex: "0", spellcheck: "true" }),
        placeholder(session.canWrite ? "Write something. Everyone with the link sees it as you type." : "There is no text yet."),
        keymap.of([...yUndoManagerKeymap, ...defaultKeymap]),
        yCollab(session.text, null),
        remoteCursors(session.text, session.cursors, colourOf),
        limited(onTooLong),
        readOnly.of(isReadOnly(!session.canWrite)),
      ],
    }),
  });
  return {
    view,
    /** The server takes no more edits of this page. */
    lock: () => view.dispatch({ effects: readOnly.reconfigure(isReadOnly(true)) }),
  };
}
