// The devices, their presence and the commands, as the server tells them.

import { Presence } from "../socket/phoenix.mjs";

const POINTS = 60;

export class Fleet extends EventTarget {
  devices = new Map();
  commands = new Map();
  present = new Set();
  isLoaded = false;
  #channel;
  #ahead = 0; // of the server's clock

  constructor(socket) {
    super();
    this.#channel = socket.channel("fleet");
    const presence = new Presence(this.#channel);
    presence.onSync(() => {
      this.present = new Set(presence.list((id) => id));
      this.#changed();
    });
    this.#channel.on("changes", (changes) => this.#take(changes, { areNew: true }));
  }

  // The join is answered again after each lost connection: then the snapshot replaces everything.
  join() {
    this.#channel.join().receive("ok", (snapshot) => {
      this.#ahead = snapshot.now - Date.now();
      this.devices.clear();
      this.isLoaded = true;
      this.#take(snapshot);
    });
  }

  /** The time by the clock of the server. */
  now() {
    return Date.now() + this.#ahead;
  }

  isOnline(device) {
    return this.present.has(device.id);
  }

  commandsOf(id) {
    return [...this.commands.values()].filter((command) => command.device === id);
  }

  /** Send a command. If no reply comes, it is sent again: the server knows its id, so it is one command. */
  send(command) {
    const { device, name, value, limit, by } = command;
    const order = { id: crypto.randomUUID(), device, name, value, limit };
    const sent_at = this.now();
    this.#note({ ...order, by, sent_at, deadline: sent_at + limit * 1000, state: "sending", answer: null });
    const push = () =>
      this.#channel
        .push("command", order)
        .receive("ok", (stored) => this.#note(this.#newer(stored)))
        .receive("error", ({ reason }) => this.#note({ ...this.commands.get(order.id), state: "refused", answer: reason }))
        .receive("timeout", push);
    push();
  }

  /** A broadcast with the result can overtake the reply. */
  #newer(stored) {
    const known = this.commands.get(stored.id);
    return known.state === "sending" ? stored : known;
  }

  #note(command) {
    this.commands.set(command.id, command);
    this.#changed();
  }

  #take({ devices, commands }, { areNew = false } = {}) {
    for (const device of devices) {
      const known = this.devices.get(device.id)?.points ?? [];
      const last = known.at(-1)?.[0] ?? 0;
      device.points = [...known, ...device.points.filter(([at]) => at > last)].slice(-POINTS);
      this.devices.set(device.id, device);
    }
    for (const command of commands) {
      const was = this.commands.get(command.id)?.state;
      this.commands.set(command.id, command);
      // A quick device answers before the page has heard of the command. In a snapshot such a command is an old one.
      if (command.state !== "pending" && was !== command.state && (was || areNew)) {
        this.dispatchEvent(new CustomEvent("settled", { detail: command }));
      }
    }
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
