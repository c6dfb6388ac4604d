// Links in messages: addresses in a text become <a> elements, and the rest stays text.

import { element } from "../design/dom.js";

// An address has no spaces, quotes or angle brackets, and no invisible characters that could disguise it.
const ADDRESS = /\bhttps?:\/\/[^\s<>"`\p{Cc}\p{Cf}]+/giu;
const CLOSING = { ")": "(", "]": "[", "}": "{" };

/** Split a text into strings and links. Together they show the same text. */
export function linked(text) {
  const parts = [];
  let end = 0;
  for (const { 0: found, index } of text.matchAll(ADDRESS)) {
    const address = withoutPunctuation(found);
    if (!URL.canParse(address)) continue;
    parts.push(text.slice(end, index), link(new URL(address).href, address));
    end = index + address.length;
  }
  parts.push(text.slice(end));
  return parts.filter((part) => part !== "");
}

// The title shows the real address: it writes a host with other letters in ASCII.
function link(href, text) {
  const attributes = { href, title: href, target: "_blank", rel: "noopener noreferrer nofollow", dir: "ltr" };
  return element("a", attributes, text);
}

/** Remove characters that belong to the sentence: a full stop at the end, or a bracket that was opened before. */
function withoutPunctuation(address) {
  const balance = { "(": 0, "[": 0, "{": 0 };
  for (const character of address) {
    if (character in balance) balance[character] += 1;
    else if (character in CLOSING) balance[CLOSING[character]] -= 1;
  }
  let end = address.length;
  for (; end > 0; end -= 1) {
    const last = address[end - 1];
    if (last in CLOSING && balance[CLOSING[last]] < 0) balance[CLOSING[last]] += 1;
    else if (!/[.,:;!?'*_~|…»”’。，！？]/.test(last)) break;
  }
  return address.slice(0, end);
}
