// The own snake moves at once, and not when the server has answered. Each frame says which input the server has taken:
// the page begins at the server's position, and plays its later inputs again. Both calculate the same, so this changes
// nothing, unless an input came too late. Then the difference fades within some frames of the screen.

const JUMP = 1_600; // units: a larger difference is shown at once
const FADE_MS = 80;
const AHEAD = 40; // ticks, two seconds: if the server is silent for longer, the snake waits

export class Prediction {
  snake = null;
  inputs = []; // those that the server has not taken yet
  #motion;
  #error = [0, 0];

  constructor(motion) {
    this.#motion = motion;
  }

  /** The player's input of a tick. */
  play(input) {
    this.inputs.push(input);
    if (!this.snake || this.inputs.length > AHEAD) return;
    this.snake = this.#motion.tick(this.snake, input);
  }

  /** A frame came. */
  correct(state) {
    this.inputs = this.inputs.filter(({ number }) => number > state.input);
    const known = state.snakes.get(state.own) ?? null;
    const shown = this.snake;
    const ahead = this.inputs.slice(0, AHEAD);
    const snake = known && ahead.reduce((moved, input) => this.#motion.tick(moved, input), known);
    this.snake = snake;
    if (!snake || !shown || shown.id !== snake.id) {
      this.#error = [0, 0];
      return;
    }
    this.#error[0] += shown.points[0] - snake.points[0];
    this.#error[1] += shown.points[1] - snake.points[1];
    if (Math.hypot(...this.#error) > JUMP) this.#error = [0, 0];
  }

  /**
   * The own snake as it is shown.
   *
   * @param share How much of the current tick is over, 0 to 1.
   * @param passedMs Milliseconds since the last call.
   */
  shown(share, passedMs) {
    if (!this.snake) return null;
    const fade = Math.exp(-passedMs / FADE_MS);
    this.#error = this.#error.map((distance) => (Math.abs(distance) < 1 ? 0 : distance * fade));
    const ofTick = this.snake.sprints ? 2 : 1;
    return { snake: this.snake, steps: this.snake.steps - ofTick * (1 - share), error: this.#error };
  }
}
