// The socket, and in which state it is: "connecting", "online" or "offline".

import { Socket } from "../vendor/phoenix.mjs";

export class Connection extends EventTarget {
  state = "connecting";

  constructor(name) {
    super();
    const { pathname } = new URL("socket", document.baseURI);
    // Where no WebSocket comes through, the client polls.
    this.socket = new Socket(pathname, { params: { name }, longPollFallbackMs: 2500 });
    this.socket.onOpen(() => this.#become("online"));
    this.socket.onClose(() => this.#become("offline"));
    this.socket.onError(() => this.#become("offline"));
  }

  // The client tries again by itself whenever the connection is lost, and rejoins its channels.
  connect() {
    this.socket.connect();
  }

  #become(state) {
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}
