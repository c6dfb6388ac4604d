// The name of the person, which the browser keeps.

const KEY = "bennu-document:name";
const KINDS = ["Quick", "Quiet", "Golden", "Clever", "Gentle", "Bright", "Brave", "Early"];
const BIRDS = ["Heron", "Ibis", "Falcon", "Swallow", "Hoopoe", "Egret", "Crane", "Kite"];

export const MAX_NAME = 40;

const any = (words) => words[Math.floor(Math.random() * words.length)];

/** A text as a name: without the spaces that nobody sees. */
export const tidy = (name) => name.trim().replace(/\s+/g, " ").slice(0, MAX_NAME);

/** The name of the person: at the first visit a bird's, so that nobody must choose one. */
export function myName() {
  const name = tidy(localStorage.getItem(KEY) ?? "") || `${any(KINDS)} ${any(BIRDS)}`;
  keepName(name);
  return name;
}

export const keepName = (name) => localStorage.setItem(KEY, tidy(name));
