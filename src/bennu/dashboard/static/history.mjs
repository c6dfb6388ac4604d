// The figures of the last two minutes, by node: what the charts show.

const LONGEST = 125; // ticks: one a second

const sum = (values) => values.reduce((all, value) => all + value, 0);
const most = (values) => Math.max(...values);
const mostOfSome = (values) => (values.some((value) => value !== null) ? most(values.filter((value) => value !== null)) : null);

/** The measures of a node, and how those of several nodes become one. */
const MEASURES = {
  connections: [(node) => node.state.connections, sum],
  in: [(node) => node.messages_in, sum],
  broadcasts: [(node) => node.messages, sum],
  deliveries: [(node) => node.deliveries, sum],
  handlers: [(node) => node.handler_p99, mostOfSome],
  lag: [(node) => node.state.lag_max, most],
  drops: [(node) => node.drops, sum],
  unsent: [(node) => node.state.unsent, sum],
  memory: [(node) => node.state.memory, sum],
  cpu: [(node) => node.cpu, sum],
};

export class History {
  #ticks = [];

  add({ time, nodes }) {
    const values = (node) => Object.fromEntries(Object.entries(MEASURES).map(([name, [of]]) => [name, of(node)]));
    this.#ticks.push({ time, nodes: new Map(nodes.map((node) => [node.node, values(node)])) });
    if (this.#ticks.length > LONGEST) this.#ticks.shift();
  }

  get times() {
    return this.#ticks.map(({ time }) => time);
  }

  /** Return the values of a measure: of one node, or of all together if the name is empty. */
  values(measure, node) {
    const [, together] = MEASURES[measure];
    return this.#ticks.map(({ nodes }) => {
      if (node) return nodes.get(node)?.[measure] ?? null;
      return together([...nodes.values()].map((values) => values[measure]));
    });
  }
}
