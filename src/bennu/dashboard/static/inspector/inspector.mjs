// The inspector: follows a topic, a connection or a user, and shows what passes.

import { byId, element, write } from "../dom.mjs";
import { count, counted } from "../words.mjs";
import { Kept, MOST } from "./kept.mjs";
import { recording } from "./recording.mjs";
import { fits, rowOf } from "./row.mjs";

const TOPIC = "bennu:inspector";

export class Inspector {
  #link;
  #wanted;
  #kept = new Kept();
  #isPaused = false;
  #isAsking = false; // what comes before the reply is of the follow before
  #hasChannel = false;
  #hasNodes = false; // more than one
  #list = byId("records");

  constructor(link) {
    this.#link = link;
    byId("follow").addEventListener("submit", (event) => {
      event.preventDefault();
      const wanted = { [byId("follow-kind").value]: byId("follow-name").value };
      if (byId("follow-node").value) wanted.node = byId("follow-node").value;
      this.follow(wanted);
    });
    byId("follow-kind").addEventListener("change", () => this.#hint());
    byId("follow-stop").addEventListener("click", () => this.#stop());
    byId("pause").addEventListener("click", () => this.#pause(!this.#isPaused));
    byId("clear").addEventListener("click", () => {
      this.#kept.clear();
      this.#draw();
    });
    byId("filter-kind").addEventListener("change", () => this.#draw());
    byId("filter-text").addEventListener("input", () => this.#draw());
    byId("save").addEventListener("click", () => this.#save());
  }

  /** @param names The names of the nodes. */
  showNodes(names) {
    const select = byId("follow-node");
    const { value } = select;
    select.replaceChildren(element("option", { value: "" }, "all nodes"), ...names.map((name) => element("option", { value: name }, name)));
    select.value = names.includes(value) ? value : "";
  }

  /** Follow `{ topic }`, `{ user }` or `{ connection, node }`. What was followed before ends. */
  async follow(wanted) {
    this.#wanted = wanted;
    this.#kept = new Kept();
    this.#pause(false);
    const [kind] = ["topic", "user", "connection"].filter((one) => wanted[one] !== undefined);
    byId("follow-kind").value = kind;
    byId("follow-name").value = wanted[kind];
    byId("follow-node").value = wanted.node ?? "";
    this.#hint();
    this.#join();
    await this.#ask();
  }

  #hint() {
    const hints = { topic: "room:7 or room:*", user: "users:7", connection: "12" };
    byId("follow-name").placeholder = hints[byId("follow-kind").value];
  }

  /** Join the channel at the first follow. After a reconnect, follow again. */
  #join() {
    if (this.#hasChannel) return;
    this.#hasChannel = true;
    let joins = 0;
    this.#link.channel(
      TOPIC,
      {},
      (channel) => channel.on("seen", (batch) => this.#take(batch)),
      () => {
        joins += 1;
        if (joins > 1 && this.#wanted) this.#ask();
      },
    );
  }

  async #ask() {
    const wanted = this.#wanted;
    this.#say("Asking the nodes…");
    this.#isAsking = true;
    try {
      const { nodes } = await this.#link.push(TOPIC, "follow", wanted);
      if (wanted !== this.#wanted) return;
      this.#isAsking = false;
      this.#hasNodes = nodes.length > 1;
      const { node, ...what } = wanted;
      const [[kind, name]] = Object.entries(what);
      this.#say(`Following the ${kind} ${name} on ${nodes.join(", ")}.`);
      byId("follow-stop").hidden = false;
    } catch (error) {
      if (wanted === this.#wanted) this.#say(error.message);
    }
  }

  async #stop() {
    this.#wanted = undefined;
    byId("follow-stop").hidden = true;
    byId("follow-start").focus();
    this.#say("Nothing is followed. The records stay until the next follow.");
    await this.#link.push(TOPIC, "unfollow", {}).catch(() => {}); // offline: the server has ended it already
  }

  #pause(isPaused) {
    this.#isPaused = isPaused;
    byId("pause").setAttribute("aria-pressed", String(isPaused));
    byId("pause").textContent = isPaused ? "Resume" : "Pause";
    if (!isPaused) this.#draw();
  }

  #take(batch) {
    if (this.#isAsking) return;
    const added = this.#kept.add(batch);
    if (!this.#isPaused) this.#append(added);
    this.#showCounts();
  }

  /** Add rows in the order of their times. If the end was in sight, it stays in sight. */
  #append(records) {
    const list = this.#list;
    const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    const [kind, text] = this.#filter();
    for (const shown of records.filter((one) => fits(one, kind, text))) {
      let before = list.lastElementChild;
      while (before && before.time > shown.record.time) before = before.previousElementSibling;
      list.insertBefore(rowOf(shown, this.#hasNodes), before ? before.nextElementSibling : list.firstElementChild);
    }
    while (list.childElementCount > MOST) list.firstElementChild.remove();
    if (isAtEnd) list.scrollTop = list.scrollHeight;
    byId("no-records").hidden = list.childElementCount > 0;
  }

  #filter() {
    return [byId("filter-kind").value, byId("filter-text").value.trim().toLowerCase()];
  }

  /** Write all rows anew. */
  #draw() {
    this.#list.replaceChildren();
    this.#append(this.#kept.records);
    this.#list.scrollTop = this.#list.scrollHeight;
    this.#showCounts();
  }

  #showCounts() {
    const { records, dropped, connections } = this.#kept;
    const parts = [`${counted(records.length, "record")} kept`];
    if (this.#isPaused) parts.push("paused");
    if (dropped > 0) parts.push(`${count(dropped)} dropped, because there were more than a page can show`);
    write(byId("counts"), parts.join(" · "));
    this.#showConnections(connections);
  }

  #showConnections(connections) {
    const select = byId("save-which");
    const keys = [...connections.keys()];
    byId("save").disabled = !keys.length;
    byId("save").title = keys.length ? "" : "Follow a connection or a user, to save a recording";
    select.hidden = keys.length < 2;
    if (keys.join("\n") === [...select.options].map(({ value }) => value).join("\n")) return;
    const { value } = select;
    select.replaceChildren(
      ...[...connections].map(([key, { node, record }]) => element("option", { value: key }, `${record.user ?? "connection"} ${record.connection} on ${node}`)),
    );
    select.value = keys.includes(value) ? value : keys[0] ?? "";
  }

  /** Download a recording of the chosen connection, for `bennu replay`. */
  #save() {
    const { connect, records, lost } = this.#kept.of(byId("save-which").value);
    const url = URL.createObjectURL(new Blob([recording(connect, records, lost)], { type: "application/jsonl" }));
    element("a", { href: url, download: `connection-${connect.connection}.jsonl` }).click();
    URL.revokeObjectURL(url);
  }

  #say(text) {
    write(byId("follow-state"), text);
  }
}
