// Whether somebody is at this page: "online", or "away" while it is hidden or nothing has been done for long.

const IDLE_AFTER = 5 * 60_000;
const SIGNS_OF_LIFE = ["keydown", "pointerdown", "pointermove", "touchmove", "wheel"];

export class Attention extends EventTarget {
  status = "online";
  #doneAt = 0;
  #timer = null;

  constructor() {
    super();
    document.addEventListener("visibilitychange", () => this.#look());
    for (const sign of SIGNS_OF_LIFE) {
      addEventListener(sign, () => this.#done(), { capture: true, passive: true });
    }
    this.#look();
  }

  #look() {
    if (document.hidden) this.#become("away");
    else this.#done();
  }

  /** Some signs come many times a second, so the timer is left alone until it is over. */
  #done() {
    this.#doneAt = Date.now();
    this.#become("online");
    this.#timer ??= setTimeout(() => this.#over(), IDLE_AFTER);
  }

  #over() {
    const left = this.#doneAt + IDLE_AFTER - Date.now();
    this.#timer = left > 0 ? setTimeout(() => this.#over(), left) : null;
    if (left <= 0) this.#become("away");
  }

  #become(status) {
    if (this.status === status) return;
    this.status = status;
    this.dispatchEvent(new Event("status"));
  }
}
