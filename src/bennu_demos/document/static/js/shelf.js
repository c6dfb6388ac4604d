// The documents that this browser has opened: their links, their titles, and when.

const KEY = "bennu-document:shelf";
const KEPT = 50;

/** The documents, the latest first. */
export function shelf() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY)) ?? [];
    return kept.filter(({ id }) => typeof id === "string");
  } catch {
    return []; // it is not ours
  }
}

/** Keep a document. A link for reading does not replace one for writing. */
export function keep({ id, key, title }) {
  const others = shelf().filter((one) => one.id !== id);
  const before = shelf().find((one) => one.id === id);
  const entry = { id, key: key || before?.key || "", title, openedAt: Date.now() };
  localStorage.setItem(KEY, JSON.stringify([entry, ...others].slice(0, KEPT)));
}
