// What the player wants: by mouse, by touch, or by keyboard. The last one that was used counts.

import { directionTo, DIRECTIONS } from "./motion.js";

const TURN = 200; // directions: where the wish is while a key is held
const LEFT = new Set(["ArrowLeft", "KeyA"]);
const RIGHT = new Set(["ArrowRight", "KeyD"]);
const SPRINT = new Set(["Space", "ArrowUp", "KeyW"]);

export class Steering {
  #wish = null; // null: straight on
  #keys = new Set();
  #usesKeys = false;
  #presses = false;
  #holdsButton = false;

  /**
   * @param arena The element that shows the arena; the snake's head is at its centre.
   * @param button The button that sprints while it is held.
   */
  constructor(arena, button) {
    const aim = (event) => {
      if (!event.isPrimary) return; // a second finger
      const box = arena.getBoundingClientRect();
      const [dx, dy] = [event.clientX - box.x - box.width / 2, event.clientY - box.y - box.height / 2];
      if (Math.hypot(dx, dy) > 8) this.#wish = directionTo(dx, dy);
      this.#usesKeys = false;
    };
    arena.addEventListener("pointermove", aim);
    arena.addEventListener("pointerdown", (event) => {
      aim(event);
      // A finger steers; a pressed mouse button sprints, and so does a second finger.
      this.#presses = event.pointerType === "mouse" ? event.button === 0 : !event.isPrimary;
    });
    for (const name of ["pointerup", "pointercancel"]) addEventListener(name, () => (this.#presses = false));
    arena.addEventListener("contextmenu", (event) => event.preventDefault());
    button.addEventListener("pointerdown", () => (this.#holdsButton = true));
    for (const name of ["pointerup", "pointercancel", "pointerleave"]) {
      button.addEventListener(name, () => (this.#holdsButton = false));
    }
    addEventListener("keydown", (event) => this.#key(event));
    addEventListener("keyup", (event) => this.#keys.delete(event.code));
    addEventListener("blur", () => this.reset());
  }

  #key(event) {
    if (event.target.matches("input, textarea, select, button, a, dialog *") || event.altKey || event.ctrlKey || event.metaKey) return;
    if (![LEFT, RIGHT, SPRINT].some((keys) => keys.has(event.code))) return;
    event.preventDefault(); // the keys would scroll
    this.#keys.add(event.code);
    this.#usesKeys = true;
  }

  /** Nothing is held. */
  reset() {
    this.#keys.clear();
    this.#presses = this.#holdsButton = false;
  }

  /** A new snake goes straight on, until its player steers. */
  start() {
    this.reset();
    this.#wish = null;
  }

  /** The wish of this tick, for a snake with a heading. */
  wish(heading) {
    const holds = (keys) => [...this.#keys].some((code) => keys.has(code));
    const turn = TURN * (Number(holds(RIGHT)) - Number(holds(LEFT)));
    if (this.#usesKeys) this.#wish = turn ? (heading + turn + DIRECTIONS) % DIRECTIONS : heading;
    return { wish: this.#wish ?? heading, sprints: holds(SPRINT) || this.#presses || this.#holdsButton };
  }
}
