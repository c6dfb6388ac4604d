// A document that is open in this page: its text, the cursors, and how the page stands to the server.

import { Awareness, Doc, PhoenixChannelProvider, removeAwarenessStates } from "../vendor/editor.mjs";

const REFUSALS = new Set(["no_such_document", "wrong_key", "invalid_payload"]);

/** The cursors. y-phoenix-channel sends each change again that it has received; here it hears only of our own. */
class Cursors extends Awareness {
  emit(name, args) {
    if (name !== "update" || args[1] === "local") super.emit(name, args);
  }

  /** Forget the others, and the numbers of their states: the server sends the present ones again. */
  forgetOthers() {
    const others = [...this.meta.keys()].filter((client) => client !== this.clientID);
    this.remove(others);
    for (const client of others) this.meta.delete(client);
  }

  remove(clients) {
    removeAwarenessStates(this, clients, "gone");
  }
}

export class Session extends EventTarget {
  /** "syncing", "saving", "saved", "offline", "full", or the reason for which the server has refused the page. */
  state = "syncing";

  #connection;
  #unanswered = 0; // edits that the server has not stored: it answers each one

  constructor(connection, { id, key, name }) {
    super();
    this.#connection = connection;
    this.canWrite = key !== "";
    this.doc = new Doc();
    this.text = this.doc.getText("text");
    this.cursors = new Cursors(this.doc);
    this.params = { client: this.doc.clientID, name, key }; // the payload of each join
    this.provider = new PhoenixChannelProvider(connection.socket, `doc:${id}`, this.doc, {
      awareness: this.cursors,
      params: this.params,
      connect: false,
      disableBc: true, // else the tabs of a browser would tell each other what the server does not allow
    });
    this.provider.on("status", ({ status }) => {
      if (status === "connected") this.#joined();
      this.#look();
    });
    this.provider.on("sync", () => this.#look());
    this.doc.on("update", (_, origin) => {
      if (origin === this.provider) return;
      this.#unanswered += 1;
      this.#look();
    });
    connection.addEventListener("state", () => this.#look());
    connection.socket.onMessage((message) => this.#hear(message));
    this.provider.connect();
    this.channel = this.provider.channel;
    this.channel.on("full", () => this.#end("full"));
  }

  /** Whether the page has the text of the server, and hears of each change. */
  get isHere() {
    return this.provider.synced;
  }

  /** Whether there are edits that would be lost with this page. */
  get hasUnsaved() {
    return this.#unanswered > 0;
  }

  rename(name) {
    this.params.name = name;
    this.channel.push("rename", { name });
    this.cursors.setLocalState(this.cursors.getLocalState()); // others get it with the new name
  }

  #joined() {
    this.#unanswered = this.canWrite ? 1 : 0; // the server asks for all that it lacks, as one edit
    this.cursors.forgetOthers();
    this.cursors.setLocalState(this.cursors.getLocalState()); // a new number: others have removed the old one
  }

  /** y-phoenix-channel reads no replies: neither those to edits, nor that a join was refused. */
  #hear({ topic, event, payload, ref, join_ref: joinRef }) {
    if (topic !== this.provider.roomname || event !== "phx_reply") return;
    if (ref !== joinRef && payload.status === "ok") {
      this.#unanswered = Math.max(0, this.#unanswered - 1);
      this.#look();
    } else if (ref === joinRef && REFUSALS.has(payload.response?.reason)) {
      this.#end(payload.response.reason);
    }
  }

  #end(state) {
    this.#become(state);
    this.provider.disconnect();
  }

  #look() {
    if (this.state === "full" || REFUSALS.has(this.state)) return;
    if (this.#connection.state === "offline") this.#become("offline");
    else if (!this.isHere) this.#become("syncing");
    else this.#become(this.hasUnsaved ? "saving" : "saved");
  }

  #become(state) {
    if (state === this.state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}
