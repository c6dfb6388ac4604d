// The channel, with the delay that ?lag=200 asks for: half of it on the way to the server, half on the way back.

export class Link {
  #channel;
  #delay;

  /** @param lag Milliseconds that are added to the round trip. */
  constructor(channel, lag) {
    this.#channel = channel;
    this.#delay = lag / 2;
  }

  get isJoined() {
    return this.#channel.state === "joined" && this.#channel.socket.isConnected();
  }

  on(event, callback) {
    this.#channel.on(event, (payload) => this.#later(() => callback(payload)));
  }

  /** Send something that is worthless later: without a connection it is dropped. */
  send(event, payload) {
    this.#later(() => {
      if (this.isJoined) this.#channel.push(event, payload, 1_000);
    });
  }

  /** Send something, and return the promise of the reply. */
  ask(event, payload) {
    return new Promise((resolve, reject) => {
      this.#later(() => {
        this.#channel
          .push(event, payload)
          .receive("ok", (reply) => this.#later(() => resolve(reply)))
          .receive("error", (reply) => this.#later(() => reject(new Error(reply.reason))))
          .receive("timeout", () => reject(new Error("timeout")));
      });
    });
  }

  #later(callback) {
    if (this.#delay) setTimeout(callback, this.#delay);
    else callback();
  }
}
