// The socket of the page, and its state. The token proves that the page is of this shop, and the cookie of the session
// tells who is logged in.

import { Socket } from "/socket/phoenix.mjs";

export class Live extends EventTarget {
  state = "connecting";

  constructor(csrfToken) {
    super();
    this.socket = new Socket("/socket", { params: { _csrf_token: csrfToken } });
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

  connect() {
    this.socket.connect();
  }

  #become(state) {
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}
