// One match: its state, and the events that change it.
//
// The reply to the first join has the state, with the number of its newest event. Then each event comes with a number. What
// the state had already is dropped by its number. After a lost connection bennu.mjs passes on the events that were missed,
// in order; if they are lost for good, the state of the reply is taken.
//
// Events: "change", "goal" (detail: the event), "gone" (there is no such match any more).

import { recoverable } from "../socket/bennu.mjs";

export class Match extends EventTarget {
  state = null; // null until the first reply
  lead = 0; // milliseconds by which the server's clock is ahead of this one

  #channel;
  #takesState = true; // whether the next reply replaces the state

  constructor(socket, { id, home, away }) {
    super();
    Object.assign(this, { id, home, away });
    const missed = () => {
      this.#takesState = true;
    };
    this.#channel = recoverable(socket, `match:${id}`, {}, { missed });
    this.#channel.on("event", (event) => this.#hear(event));
    this.#channel
      .join()
      .receive("ok", (reply) => this.#joined(reply))
      .receive("error", ({ reason }) => reason === "no_such_match" && this.#emit("gone"));
  }

  leave() {
    this.#channel.leave();
  }

  get isLive() {
    return ["first", "break", "second"].includes(this.state?.phase);
  }

  /** The age of the match in seconds, by its clock. */
  age() {
    const { is_running: isRunning, started_at: startedAt, seconds, rate } = this.state.clock;
    return seconds + (isRunning ? Math.max(0, this.#now() - startedAt) * rate : 0);
  }

  /** Seconds until the kick-off. */
  untilKickOff() {
    return this.state.kick_off_at - this.#now();
  }

  #now() {
    return (Date.now() + this.lead) / 1_000;
  }

  #joined(reply) {
    this.lead = reply.now * 1_000 - Date.now();
    if (this.#takesState) {
      this.#takesState = false;
      this.state = reply;
    }
    this.#emit("change");
  }

  #hear(event) {
    if (!this.state || event.seq <= this.state.seq) return;
    const { seq, score, phase, clock } = event;
    this.state = { ...this.state, seq, score, phase, clock, events: [...this.state.events, event] };
    this.#emit("change");
    if (event.kind === "goal") this.#emit("goal", event);
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
