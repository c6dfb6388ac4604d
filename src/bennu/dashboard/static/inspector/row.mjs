// One record as a row. Its payload is written when the row is opened.

import { element } from "../dom.mjs";
import { bytes, milliseconds } from "../words.mjs";

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });

const KINDS = {
  connect: ({ is_new: isNew }) => (isNew === false ? "open" : "connect"),
  join: () => "join",
  leave: () => "leave",
  close: () => "close",
  broadcast: () => "broadcast",
  frame: ({ direction }) => (direction === "in" ? "from client" : "to client"),
};

/** What happened, in words. */
const WORDS = {
  connect: ({ user, transport, path }) => `${user ?? "a client"}, ${transport ?? "websocket"} ${path}`,
  join: ({ status, took }) => `joined: ${status}, after ${milliseconds(took)}`,
  leave: ({ reason }) => `the channel ended: ${reason}`,
  close: ({ code, reason, by }) => `closed with ${code} by the ${by}${reason ? `: ${reason}` : ""}`,
  broadcast: went,
  frame: ({ event, answers, took, payload }) => {
    if (!answers) return event ?? "a message";
    return `${payload?.status ?? "reply"}: reply to ${answers}, after ${milliseconds(took)}`;
  },
};

/** Where a broadcast went on its node. */
function went({ event, due = 0, delivered = 0, own = 0, handled = 0, waiting = 0, behind = 0, dropped = {}, node }) {
  const parts = [`to ${delivered} of ${due}`];
  if (own) parts.push("not to its sender");
  if (handled) parts.push(`${handled} to handlers`);
  if (waiting > 0) parts.push(`${waiting} wait`);
  if (behind) parts.push(`${behind} catch up`);
  for (const [reason, count] of Object.entries(dropped)) parts.push(`${count} dropped: ${reason}`);
  if (node) parts.push(`from ${node}`);
  return `${event}: ${parts.join(", ")}`;
}

const kindOf = ({ kind, direction }) => (kind === "frame" ? direction : kind);

function payloadText({ record, is_binary: isBinary, is_cut: isCut }) {
  if (isCut) return "The payload is too large to be shown.";
  const { payload, params, topics } = record;
  if (record.kind === "connect") return JSON.stringify({ params, topics }, null, 2);
  if (payload === undefined) return "";
  if (isBinary && typeof payload === "string") return `Bytes, as base64:\n${payload}`;
  return typeof payload === "string" ? payload : JSON.stringify(payload, null, 2);
}

function factsOf({ record }) {
  const facts = [];
  if (record.ref !== undefined && record.ref !== null) facts.push(`ref ${record.ref}`);
  if (record.join_ref !== undefined && record.join_ref !== null) facts.push(`join_ref ${record.join_ref}`);
  if (record.position) facts.push(`position ${record.position}`);
  return facts.join(" · ");
}

/** Return whether a record fits the filter. */
export function fits({ record }, kind, text) {
  const is = kindOf(record);
  if (kind === "other" ? ["in", "out", "broadcast"].includes(is) : kind && kind !== is) return false;
  return !text || JSON.stringify(record).toLowerCase().includes(text);
}

/** Whose record it is. With one node its name would be the same in all rows. */
function whose({ record, node }, hasNodes) {
  if (!record.connection) return hasNodes ? node : "";
  return `connection ${record.connection}${hasNodes ? ` on ${node}` : ""}`;
}

/**
 * Return the row of a record.
 *
 * @param shown The record, with its node.
 * @param hasNodes Whether several nodes are followed.
 */
export function rowOf(shown, hasNodes) {
  const { record } = shown;
  const kind = kindOf(record);
  const summary = element(
    "summary",
    {},
    element("time", {}, clock.format(record.time * 1_000)),
    element("span", { class: `kind ${kind}` }, KINDS[record.kind](record)),
    element("span", { class: "words mono" }, WORDS[record.kind](record)),
    element("span", { class: "topic mono" }, record.topic ?? ""),
    element("span", { class: "who" }, whose(shown, hasNodes)),
    element("span", { class: "size" }, record.size ? bytes(record.size) : ""),
  );
  const details = element("details", {}, summary);
  details.addEventListener("toggle", () => {
    if (details.childElementCount > 1) return;
    const facts = factsOf(shown);
    if (facts) details.append(element("p", { class: "note" }, facts));
    details.append(element("pre", { class: "mono" }, payloadText(shown) || "No payload."));
  });
  return Object.assign(element("li", {}, details), { time: record.time });
}
