// Helpers for the document. They only make text nodes: this page never parses a text as HTML.

export const byId = (id) => document.getElementById(id);

/** Make an element with attributes and children. A string becomes a text node. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// Letters that are written from right to left, and characters that change the direction of a text.
const TURNS = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc]|[\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/**
 * Return a person's text so that it can stand in a sentence that is a string: a note, a title, a heading. What is written
 * from right to left then leaves the words and numbers around it in their places. In elements, `<bdi>` does this.
 */
export const isolated = (text) => (TURNS.test(text) ? `\u2068${text}\u2069` : text);

/** Return a function that calls the callback at the next frame, at most once per frame. */
export function onceAFrame(callback) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      callback();
    });
  };
}
