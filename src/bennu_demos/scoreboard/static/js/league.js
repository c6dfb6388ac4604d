// The league: the matches of today, each with a channel of its own.
//
// Events: "round" (there are other matches), "change" (detail: the match), "goal" (detail: {match, event}).

import { Match } from "./match.js";

export class League extends EventTarget {
  number = 0; // of the round; 0 until it is loaded
  matches = new Map(); // id -> Match

  #socket;
  #channel;

  constructor(socket) {
    super();
    this.#socket = socket;
    this.#channel = socket.channel("league", {});
    this.#channel.on("round", (round) => this.#take(round));
    this.#channel.join().receive("ok", (round) => this.#take(round)); // also after each rejoin
  }

  #take({ number, fixtures }) {
    const ids = new Set(fixtures.map(({ id }) => id));
    for (const [id, match] of this.matches) {
      if (ids.has(id)) continue;
      match.leave();
      this.matches.delete(id);
    }
    for (const fixture of fixtures) if (!this.matches.has(fixture.id)) this.#add(fixture);
    this.number = number;
    this.#emit("round");
  }

  #add(fixture) {
    const match = new Match(this.#socket, fixture);
    match.addEventListener("change", () => this.#emit("change", match));
    match.addEventListener("goal", ({ detail }) => this.#emit("goal", { match, event: detail }));
    match.addEventListener("gone", () => match.leave()); // the next round is on its way
    this.matches.set(match.id, match);
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
