// The names of people: their order, and avatars with initials and colours.

import { element, isolated } from "./dom.js";
import { Palette } from "./palette.js";

export const palette = new Palette();

/** The order of names: "Guest 9" comes before "Guest 10". */
export const { compare: compareNames } = new Intl.Collator(undefined, { numeric: true });

/** The first letters of the first and the last word of a name. */
export function initials(name) {
  const words = name.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word));
  const picked = words.length > 1 ? [words[0], words.at(-1)] : words;
  const letters = picked.map((word) => word.match(/[\p{L}\p{N}]/u)[0].toLocaleUpperCase());
  const joins = letters.every((letter) => /\p{Script=Arabic}/u.test(letter)); // two of them would become a word
  return letters.join(joins ? "\u200c" : "") || "?";
}

/** Give an element the colour of a name. */
export function tint(target, name) {
  target.style.setProperty("--tint", palette.colour(name));
  return target;
}

/** Turn an element into the avatar of a person. */
export function dress(avatar, name) {
  avatar.classList.toggle("blank", !name);
  avatar.textContent = initials(name);
  return tint(avatar, name);
}

export const avatar = (name) => dress(element("span", { class: "avatar", "aria-hidden": "true" }), name);

/** "Ann", "Ann and Bo", "Ann, Bo and 3 others" */
export function list(all) {
  const names = all.map(isolated);
  if (names.length <= 2) return names.join(" and ");
  if (names.length === 3) return `${names[0]}, ${names[1]} and ${names[2]}`;
  return `${names[0]}, ${names[1]} and ${names.length - 2} others`;
}
