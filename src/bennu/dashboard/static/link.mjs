// The session, the socket and the channel of the page.
//
// The socket takes a pass, which the server gives only to a page that may see the dashboard. A pass holds for an hour. When the
// connection is lost, the page asks for a new one, and phoenix.js connects again with it.

import { Socket } from "./socket/phoenix.mjs";

const here = (name) => new URL(name, import.meta.url);
const RETRY = [200, 500, 1_000, 2_000];
const after = (tries) => RETRY[tries - 1] ?? 5_000;

/** States: "connecting", "online", "offline", "locked" (it needs the password), "refused" (with a text). */
export class Link extends EventTarget {
  state = "connecting";
  text = "";
  hasPassword = false;
  #token = "";
  #socket;
  #channels = new Map();
  #isStarting = false;

  constructor() {
    super();
    // A browser notices a lost network at once. A WebSocket notices it only when a heartbeat is late.
    addEventListener("offline", () => {
      if (!this.#socket) return;
      this.#end();
      this.#become("offline");
    });
    addEventListener("online", () => {
      if (this.state === "offline" && !this.#socket) this.start();
    });
  }

  async start() {
    if (this.#isStarting) return;
    this.#isStarting = true;
    const isAllowed = await this.#renew();
    this.#isStarting = false;
    if (!isAllowed) return;
    const socket = new Socket(here("socket").pathname, {
      params: () => ({ token: this.#token }),
      reconnectAfterMs: after,
      rejoinAfterMs: after,
    });
    socket.onOpen(() => this.#become("online"));
    socket.onClose(() => {
      if (socket === this.#socket) this.#lost();
    });
    socket.connect();
    this.#socket = socket;
    for (const { join } of this.#channels.values()) join();
  }

  /** Join a topic, now and after each login. `ready` gets the channel before it joins, `joined` is called after each join. */
  channel(topic, payload, ready, joined = () => {}) {
    const join = () => {
      const channel = this.#socket.channel(topic, payload);
      this.#channels.get(topic).channel = channel;
      ready(channel);
      const join = channel.join().receive("ok", joined);
      join.receive("error", ({ reason }) => this.#become("refused", REASONS[reason] ?? `The server refuses the page: ${reason}`));
    };
    this.#channels.set(topic, { join });
    if (this.#socket) join();
  }

  /** Push an event, and return a promise of the response. */
  push(topic, event, payload) {
    const channel = this.#channels.get(topic)?.channel;
    if (!channel || this.state !== "online") return Promise.reject(new Error("The page is offline."));
    return new Promise((resolve, reject) => {
      channel
        .push(event, payload)
        .receive("ok", resolve)
        .receive("error", ({ reason }) => reject(new Error(REASONS[reason] ?? reason)))
        .receive("timeout", () => reject(new Error("The server does not answer.")));
    });
  }

  /** Send the password. Return the text of a refusal; "" if it was right. */
  async logIn(password) {
    try {
      const body = JSON.stringify({ password });
      const answer = await fetch(here("login"), { method: "POST", headers: { "content-type": "application/json" }, body });
      if (!answer.ok) return await answer.text();
    } catch {
      return "The server can't be reached.";
    }
    await this.start();
    return "";
  }

  async logOut() {
    await fetch(here("logout"), { method: "POST" });
    this.#end();
    this.#become("locked");
  }

  async #renew() {
    let answer;
    try {
      answer = await fetch(here("pass"), { method: "POST" });
    } catch {
      this.#become("offline");
      if (!this.#socket) setTimeout(() => this.start(), 2_000);
      return false;
    }
    if (answer.ok) {
      const { token, has_password } = await answer.json();
      this.#token = token;
      this.hasPassword = has_password;
      return true;
    }
    const text = await answer.text();
    this.#end();
    this.#become(answer.status === 401 ? "locked" : "refused", text);
    return false;
  }

  async #lost() {
    this.#become("offline");
    await this.#renew();
  }

  #end() {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.disconnect();
  }

  #become(state, text = "") {
    this.state = state;
    this.text = text;
    this.dispatchEvent(new Event("state"));
  }
}

const REASONS = {
  too_many_pages: "This node serves as many pages, and follows as much, as it can. Close another dashboard first.",
  rate_limited: "Too many requests. Try again in a moment.",
  invalid_payload: "The server does not understand the request. Give a name to follow.",
  "unmatched topic": "The connection was lost. Try again.",
};
