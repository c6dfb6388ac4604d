// Helpers for the document. They only make text nodes: this page never parses a text as HTML.

export const byId = (id) => document.getElementById(id);

/** Make an element with attributes and children. A string becomes a text node. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

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
