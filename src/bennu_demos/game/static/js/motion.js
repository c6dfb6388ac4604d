// The steps of a snake, in the whole numbers of world.py. Both sides calculate the same positions.

export const UNIT = 8; // of a pixel
export const DIRECTIONS = 1024;
const SPRINT_FROM = 10;
const THICKEST = 400;

/** Half of the thickness of a snake, in units. */
export const radiusOf = (score) => 9 * UNIT + (Math.min(score, THICKEST) >> 2);

/** The direction of a vector. */
export const directionTo = (dx, dy) =>
  (Math.round((Math.atan2(dy, dx) * DIRECTIONS) / (2 * Math.PI)) + DIRECTIONS) % DIRECTIONS;

/** The turn from one direction to another, between -512 and 511. */
export const shortestTurn = (heading, wish) =>
  ((wish - heading + DIRECTIONS * 1.5) % DIRECTIONS) - DIRECTIONS / 2;

export class Motion {
  #steps;
  #turn;

  /** @param rules The reply to the join: `step` and `turn` of world.py. */
  constructor({ step, turn }) {
    this.#turn = turn;
    this.#steps = Array.from({ length: DIRECTIONS }, (_, n) => {
      const angle = (2 * Math.PI * n) / DIRECTIONS;
      return [Math.floor(Math.cos(angle) * step + 0.5), Math.floor(Math.sin(angle) * step + 0.5)];
    });
  }

  /** The distance of one step in a direction. */
  towards(way) {
    return this.#steps[way];
  }

  /** Return the snake one tick later, as far as it depends on its player alone. Its end stays: only the server knows what it eats. */
  tick(snake, { wish, sprints }) {
    const isSprinting = sprints && snake.score >= SPRINT_FROM;
    let { heading, steps } = snake;
    let [x, y] = snake.points;
    const added = [];
    for (let n = 0; n <= Number(isSprinting); n += 1) {
      const turn = Math.max(-this.#turn, Math.min(this.#turn, shortestTurn(heading, wish)));
      heading = (heading + turn + DIRECTIONS) % DIRECTIONS;
      x += this.#steps[heading][0];
      y += this.#steps[heading][1];
      steps += 1;
      added.unshift(x, y);
    }
    const points = added.concat(snake.points);
    points.length = snake.points.length;
    return { ...snake, heading, sprints: isSprinting, steps, points };
  }
}
