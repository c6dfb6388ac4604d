// The states of the last two seconds, and what of them is shown: others are drawn 100 ms in the past, between two states.

const KEPT = 40; // ticks
const DELAY = 2; // ticks: 100 ms
const GUESSED = 5; // ticks: 250 ms; after that, what is not heard of stands still
const DRIFT = 0.02; // how fast the clock follows frames that come late

export class Timeline {
  states = new Map(); // by tick
  newest = null;
  #tickMs;
  #start = null; // the time of tick 0 on the clock of this page

  constructor(tickMs) {
    this.#tickMs = tickMs;
  }

  /** Add a state that came now. */
  add(state, now) {
    this.states.set(state.tick, state);
    this.newest = state;
    for (const tick of this.states.keys()) if (tick <= state.tick - KEPT) this.states.delete(tick);
    const start = now - state.tick * this.#tickMs;
    // The frame with the shortest way tells the server's clock best. If the ways become longer, the clock follows slowly.
    if (this.#start === null || start < this.#start || start > this.#start + 1_000) this.#start = start;
    else this.#start += (start - this.#start) * DRIFT;
  }

  /**
   * What others look like now.
   *
   * @returns { snakes: [{ snake, steps }], pellets }: `steps` says up to which step a snake is shown; it can have a
   *   fraction, and can be later than the last step that is known.
   */
  shown(now) {
    if (!this.newest) return { snakes: [], pellets: new Map() };
    const time = (now - this.#start) / this.#tickMs - DELAY;
    let before = null;
    let after = null;
    for (const state of this.states.values()) {
      if (state.tick <= time && (!before || state.tick > before.tick)) before = state;
      if (state.tick > time && (!after || state.tick < after.tick)) after = state;
    }
    if (!after) return this.#guessed(before, Math.min(time - before.tick, GUESSED));
    if (!before) return this.#guessed(after, 0);
    const share = (time - before.tick) / (after.tick - before.tick);
    const snakes = [];
    for (const snake of after.snakes.values()) {
      const earlier = before.snakes.get(snake.id)?.steps ?? snake.steps;
      snakes.push({ snake, steps: earlier + (snake.steps - earlier) * share });
    }
    return { snakes, pellets: before.pellets };
  }

  #guessed(state, ticks) {
    const snakes = Array.from(state.snakes.values(), (snake) => ({
      snake,
      steps: snake.steps + ticks * (snake.sprints ? 2 : 1),
    }));
    return { snakes, pellets: state.pellets };
  }
}
