// This person: a secret token and a name, kept in the browser.

const KEY = "bennu-board:me";
const FIRST = ["Quiet", "Brave", "Sunny", "Clever", "Gentle", "Lucky", "Swift", "Merry"];
const SECOND = ["Heron", "Otter", "Falcon", "Lynx", "Crane", "Badger", "Ibis", "Hare"];

/** A random id as the server expects it. crypto.randomUUID exists only on https and on localhost. */
export const newId = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

const pick = (words) => words[crypto.getRandomValues(new Uint8Array(1))[0] % words.length];

function load() {
  try {
    const { token, name } = JSON.parse(localStorage.getItem(KEY));
    if (token && name) return { token, name };
  } catch {
    // The first visit, or what another version stored.
  }
  return { token: newId(), name: `${pick(FIRST)} ${pick(SECOND)}` };
}

export const me = load();

export function rename(name) {
  me.name = name;
  localStorage.setItem(KEY, JSON.stringify(me));
}

rename(me.name);
