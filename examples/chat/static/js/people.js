// How people look: initials, and a colour that is the same on every page.

import { element } from "./dom.js";

/** The first letters of the first and the last word of a name. */
export function initials(name) {
  const words = name.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word));
  const picked = words.length > 1 ? [words[0], words.at(-1)] : words;
  return picked.map((word) => word.match(/[\p{L}\p{N}]/u)[0].toLocaleUpperCase()).join("") || "?";
}

/** A hue from 0 to 359 (the hash is FNV-1a). */
export function hue(name) {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return (hash ^ (hash >>> 15)) % 360;
}

/** Make an element look like somebody's avatar. */
export function dress(avatar, name) {
  avatar.classList.toggle("blank", !name);
  avatar.textContent = initials(name);
  avatar.style.setProperty("--hue", hue(name));
  return avatar;
}

export const avatar = (name) => dress(element("span", { class: "avatar", "aria-hidden": "true" }), name);

/** "Ann", "Ann and Bo", "Ann, Bo and 3 others" */
export function list(names) {
  if (names.length <= 2) return names.join(" and ");
  if (names.length === 3) return `${names[0]}, ${names[1]} and ${names[2]}`;
  return `${names[0]}, ${names[1]} and ${names.length - 2} others`;
}
