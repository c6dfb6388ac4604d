// The socket and its state: "connecting", "online" or "offline".
//
// The socket has no `longPollFallbackMs`. With this option phoenix.js changes to long polling when a connect fails,
// and connects fail while the server restarts. Then the page keeps polling. Add the option if WebSockets are blocked
// for some of your users.

import { Socket } from "../socket/phoenix.mjs";

export class Connection extends EventTarget {
  state = "connecting";

  /** @param options Those of phoenix.js's Socket: `{ params: { name } }`. */
  constructor(options = {}) {
    super();
    const { pathname } = new URL("../socket", import.meta.url); // beside the folder of this module, whatever page this is
    this.socket = new Socket(pathname, options);
    this.socket.onOpen(() => this.#become("online"));
    this.socket.onClose(() => this.#become("offline"));
    this.socket.onError(() => this.#become("offline"));
    // A browser notices a lost network at once. A WebSocket notices it only when a heartbeat is late.
    addEventListener("offline", () => {
      this.socket.disconnect();
      this.#become("offline");
    });
    addEventListener("online", () => this.connect());
  }

  // phoenix.js connects again whenever the connection is lost, and rejoins its channels.
  connect() {
    this.socket.connect();
  }

  #become(state) {
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}

const TEXTS = { connecting: "Connecting…", offline: "You are offline. The page connects again by itself.", back: "Back online." };

/** Show the state of a connection in a banner: <p class="banner" role="status" data-state="online">. */
export function showState(connection, banner) {
  let wasOffline = false;
  let timer;
  const show = (state) => {
    banner.dataset.state = state;
    banner.textContent = TEXTS[state] ?? "";
  };
  const render = () => {
    clearTimeout(timer);
    if (connection.state === "online" && wasOffline) {
      show("back");
      timer = setTimeout(show, 2_000, "online");
    } else {
      show(connection.state);
    }
    wasOffline = connection.state === "offline";
  };
  connection.addEventListener("state", render);
  render();
}
