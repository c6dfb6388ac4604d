// The socket, and in which state it is: "connecting", "online" or "offline".
//
// There is no `longPollFallbackMs` here. With it phoenix.js changes to long polling when a connect fails, as all
// do while the server restarts, and the page keeps polling. Add it if WebSockets can't reach your users.

import { Socket } from "../socket/phoenix.mjs";

export class Connection extends EventTarget {
  state = "connecting";

  constructor(name) {
    super();
    const { pathname } = new URL("socket", document.baseURI);
    this.socket = new Socket(pathname, { params: { name } });
    this.socket.onOpen(() => this.#become("online"));
    this.socket.onClose(() => this.#become("offline"));
    this.socket.onError(() => this.#become("offline"));
    // A browser that loses its network knows it at once; a WebSocket learns it from a late heartbeat.
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
