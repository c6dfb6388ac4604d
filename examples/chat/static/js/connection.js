// The socket, and in which state it is: "connecting", "online" or "offline".

import { Socket } from "../vendor/phoenix.mjs";

export class Connection extends EventTarget {
  state = "connecting";

  constructor(name) {
    super();
    const { pathname } = new URL("socket", document.baseURI);
    this.socket = new Socket(pathname, { params: { name } });
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
