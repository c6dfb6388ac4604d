// The search for clients, and the dialog before a disconnect.

import { byId, button, element } from "./dom.mjs";
import { bytes, counted, duration } from "./words.mjs";

const FIGURES = "bennu:dashboard";

/** Ask whether something shall be done; resolve to true or false. */
export function confirm({ title, text, yes }) {
  const dialog = byId("confirm");
  byId("confirm-title").textContent = title;
  byId("confirm-text").textContent = text;
  byId("confirm-yes").textContent = yes;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

export class Clients {
  #link;
  #actions;

  /**
   * @param link The link.
   * @param actions Other buttons of a client: `{ text, name, press }`.
   */
  constructor(link, actions = []) {
    this.#link = link;
    this.#actions = actions;
    byId("find").addEventListener("submit", (event) => {
      event.preventDefault();
      this.find(byId("find-text").value);
    });
  }

  async find(text) {
    byId("find-text").value = text;
    this.#say("Searching…");
    try {
      const { connections, total } = await this.#link.push(FIGURES, "find", { text });
      byId("connections").replaceChildren(...connections.map((one) => this.#row(one)));
      const all = total > connections.length ? `${counted(total, "client")}, of which ${connections.length} are shown.` : `${counted(total, "client")}.`;
      this.#say(total ? all : "No client fits.");
    } catch (error) {
      this.#say(error.message);
    }
  }

  /** Disconnect a client, after a question. */
  async disconnect({ node, connection, user }) {
    const who = user ? `${user} (connection ${connection})` : `connection ${connection}`;
    const text = `The connection ${connection} on the node ${node} is closed with 1001. A stock client connects again.`;
    if (!(await confirm({ title: `Disconnect ${who}?`, text, yes: "Disconnect" }))) return;
    await this.#do(FIGURES, "disconnect", { node, connection }, ({ closed }) => (closed ? `${who} was disconnected.` : `${who} had gone already.`));
  }

  async #disconnectUser(user) {
    const text = `All connections with the id ${user} are closed with 1001, on all nodes. A stock client connects again.`;
    if (!(await confirm({ title: `Disconnect ${user} everywhere?`, text, yes: "Disconnect all" }))) return;
    await this.#do(FIGURES, "disconnect_user", { user }, () => `All connections of ${user} were told to close.`);
  }

  async #do(topic, event, payload, words) {
    try {
      const done = words(await this.#link.push(topic, event, payload));
      if (!byId("clients").hidden) await this.find(byId("find-text").value);
      this.#say(done);
    } catch (error) {
      this.#say(error.message);
    }
  }

  #say(text) {
    byId("found").textContent = text;
  }

  #row(client) {
    const { node, connection, user, ids, peer, socket, transport, topics, channels, seconds, unsent, waiting } = client;
    const who = user ?? ids[0] ?? `connection ${connection}`;
    const about = [`connection ${connection} on ${node}`, `${transport} at ${socket}`, peer ?? "unknown address", `open for ${duration(seconds)}`];
    if (ids.length) about.push(`ids: ${ids.join(", ")}`);
    if (unsent) about.push(`${bytes(unsent)} wait for it`);
    if (waiting) about.push(`${counted(waiting, "message")} wait for its channels`);
    const shown = topics.map((topic) => element("li", { class: "mono" }, topic));
    if (channels > topics.length) shown.push(element("li", {}, `${channels - topics.length} more`));
    const actions = this.#actions.map(({ text, name, press }) => button(text, () => press(client), { name: name(who) }));
    actions.push(button("Disconnect", () => this.disconnect(client), { name: `Disconnect connection ${connection} of ${who}`, kind: "small bad" }));
    if (user) actions.push(button("Disconnect user", () => this.#disconnectUser(user), { name: `Disconnect user ${user} everywhere`, kind: "small bad" }));
    return element(
      "li",
      { class: "card connection" },
      element("div", {}, element("h3", {}, who), element("p", { class: "about" }, about.join(" · "))),
      element("div", { class: "actions" }, ...actions),
      element("ul", { class: "topics", "aria-label": "Topics" }, ...shown),
    );
  }
}
