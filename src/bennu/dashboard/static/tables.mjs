// The tables of the overview. Each shows what a tick has, of one node or of all.

import { byId, button, element, Rows, write } from "./dom.mjs";
import { bytes, count, counted, milliseconds, percent, rate } from "./words.mjs";

const cell = (kind) => element("td", { class: kind });

/** Make a table's rows: the first cell is a name, the others are numbers. */
function numbers(parent, width, { head, write: fill, actions }) {
  return new Rows(byId(parent), (item) => {
    const name = cell("name");
    const cells = Array.from({ length: width }, () => cell("number"));
    const row = element("tr", {}, name, ...cells);
    if (actions) {
      const place = cell("actions");
      place.append(...actions(item));
      row.append(place);
    }
    return {
      element: row,
      update(item) {
        write(name, head(item));
        fill(item).forEach((text, number) => write(cells[number], text));
      },
    };
  });
}

const nodeRows = () =>
  new Rows(byId("nodes"), () => {
    const name = cell("name");
    const cells = Array.from({ length: 8 }, () => cell("number"));
    const state = cell("");
    return {
      element: element("tr", {}, name, ...cells, state),
      update({ node, state: now, cpu, messages_in, deliveries }) {
        write(name, node);
        [
          count(now.connections),
          rate(messages_in),
          rate(deliveries),
          milliseconds(now.lag_max),
          percent(cpu),
          bytes(now.memory),
          count(now.tasks),
          count(now.longest),
        ].forEach((text, number) => write(cells[number], text));
        state.replaceChildren(...badges(now));
      },
    };
  });

function badges({ bus, store, is_draining, lag_max }) {
  const found = [];
  if (is_draining) found.push(["draining", "warn"]);
  if (lag_max > 0.25) found.push(["loop is late", "warn"]);
  if (bus !== "none") found.push([`bus ${bus}`, bus === "up" ? "good" : "bad"]);
  if (store !== "none") found.push([`store ${store}`, store === "up" ? "good" : "bad"]);
  if (!found.length) found.push(["ok", "good"]);
  return found.map(([text, kind]) => element("span", { class: `badge ${kind}` }, text));
}

/** Write pairs of a name and a number into a list, and a text if there are none. */
function facts(id, pairs) {
  byId(id).replaceChildren(
    ...pairs.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, count(value)))),
  );
  byId(`no-${id}`).hidden = pairs.length > 0;
}

/** Add up counts by name, over nodes: `{ a: 1 }` and `{ a: 2 }` are `[["a", 3]]`. */
function total(objects) {
  const found = new Map();
  for (const one of objects) for (const [name, value] of Object.entries(one)) found.set(name, (found.get(name) ?? 0) + value);
  return [...found].filter(([, value]) => value).sort(([, one], [, other]) => other - one);
}

function more(id, value, text) {
  byId(id).hidden = !value;
  write(byId(id), value ? text : "");
}

export class Tables {
  #nodes = nodeRows();
  #topics;
  #slow;

  /** @param actions What the buttons do: `clientsOf(topic)`, `disconnect(client)`, and those that are named later. */
  constructor(actions) {
    this.#topics = numbers("topics", 4, {
      head: ({ topic }) => (topic === "*" ? "All other topics" : topic),
      write: ({ subscribers, messages, deliveries, nodes }) => [count(subscribers), rate(messages), rate(deliveries), count(nodes)],
      actions: ({ topic }) =>
        topic === "*" ? [] : actions.topic.map(({ text, name, press }) => button(text, () => press(topic), { name: name(topic) })),
    });
    this.#slow = numbers("slow", 3, {
      head: ({ user, connection }) => user ?? `connection ${connection}`,
      write: ({ node, messages, bytes: size }) => [node, count(messages), bytes(size)],
      actions: (client) => [
        button("Disconnect", () => actions.disconnect(client), { name: `Disconnect ${client.user ?? client.connection}`, kind: "small bad" }),
      ],
    });
  }

  show(tick, node) {
    const nodes = node ? tick.nodes.filter((one) => one.node === node) : tick.nodes;
    const slow = node ? tick.slow.filter((one) => one.node === node) : tick.slow;
    this.#nodes.show(nodes.map((one) => [one.node, one]));
    this.#topics.show(tick.topics.map((one) => [one.topic, one]));
    this.#slow.show(slow.map((one) => [`${one.node} ${one.connection}`, one]));
    byId("no-slow").hidden = slow.length > 0;
    byId("slow").closest("table").hidden = !slow.length;
    byId("no-topics").hidden = tick.topics.length > 0;
    more("more-nodes", tick.more_nodes, `${counted(tick.more_nodes, "more node")}.`);
    more("more-topics", tick.more_topics, `${counted(tick.more_topics, "more topic")}, with less messages and subscribers.`);
    facts("presences", Object.entries(Object.assign({}, ...nodes.map((one) => one.state.presences))).length ? presences(nodes) : []);
    facts("losses", [...total(nodes.map((one) => one.dropped)), ...total(nodes.map((one) => one.lost)).map(([name, value]) => [`lost on the bus: ${name}`, value])]);
    facts("limits", total(nodes.map((one) => one.exceeded)));
    byId("silent").replaceChildren(...tick.silent.map((name) => element("li", {}, `The node ${name} does not answer: it has no dashboard, or it is cut off.`)));
  }
}

/** Return the presences with their numbers, also those that are empty. */
function presences(nodes) {
  const found = new Map();
  for (const { state } of nodes) for (const [name, value] of Object.entries(state.presences)) found.set(name, (found.get(name) ?? 0) + value);
  return [...found];
}
