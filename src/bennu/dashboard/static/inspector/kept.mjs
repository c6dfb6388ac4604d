// The records that the page keeps: the newest thousand, and the connections that they belong to.

export const MOST = 1_000;
const MOST_CONNECTIONS = 50;

const keyOf = (node, connection) => `${node} ${connection}`;

export class Kept {
  records = [];
  /** The connections whose connect record has come, by node and id: `{ node, record, lost }`. */
  connections = new Map();
  #totals = new Map();
  #received = 0;

  /** How many records the nodes have seen, and have not sent. */
  get dropped() {
    return [...this.#totals.values()].reduce((all, one) => all + one, 0) - this.#received;
  }

  /** Take a batch of a node. Return its records, and how many of the oldest are forgotten. */
  add({ node, records, total }) {
    this.#totals.set(node, total);
    this.#received += records.length;
    const added = records.map((shown) => ({ ...shown, node }));
    for (const { record } of added) if (record.kind === "connect") this.#opened(node, record);
    for (const shown of added) this.#insert(shown);
    const forgotten = this.records.splice(0, Math.max(0, this.records.length - MOST));
    for (const { record, node: at } of forgotten) {
      const known = record.kind === "frame" && this.connections.get(keyOf(at, record.connection));
      if (known) known.lost += 1;
    }
    return added;
  }

  /** Put a record after those that are not newer. Nodes send in turns, so it can be a little older than the last one. */
  #insert(shown) {
    let place = this.records.length;
    while (place && this.records[place - 1].record.time > shown.record.time) place -= 1;
    this.records.splice(place, 0, shown);
  }

  #opened(node, record) {
    this.connections.set(keyOf(node, record.connection), { node, record, lost: 0 });
    if (this.connections.size > MOST_CONNECTIONS) this.connections.delete(this.connections.keys().next().value);
  }

  /** Return what a recording of a connection has: its record, its frames, and how many are missing. */
  of(key) {
    const { node, record, lost } = this.connections.get(key);
    const own = this.records.filter(
      (shown) => shown.node === node && shown.record.connection === record.connection && ["frame", "close"].includes(shown.record.kind),
    );
    return { connect: record, records: own, lost: lost + this.dropped };
  }

  /** Forget the records, and keep the connections. */
  clear() {
    for (const known of this.connections.values()) {
      const own = this.records.filter(({ node, record }) => record.kind === "frame" && node === known.node && record.connection === known.record.connection);
      known.lost += own.length;
    }
    this.records = [];
  }
}
