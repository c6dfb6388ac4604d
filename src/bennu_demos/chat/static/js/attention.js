// Whether the person uses this page: "online", or "away" while the page is hidden, or after five idle minutes.

const IDLE_AFTER = 5 * 60_000;
const ACTIVITIES = ["keydown", "pointerdown", "pointermove", "touchmove", "wheel"];

export class Attention extends EventTarget {
  status = "online";
  #doneAt = 0;
  #timer = null;

  constructor() {
    super();
    document.addEventListener("visibilitychange", () => this.#look());
    for (const type of ACTIVITIES) {
      addEventListener(type, () => this.#done(), { capture: true, passive: true });
    }
    this.#look();
  }

  #look() {
    if (document.hidden) this.#become("away");
    else this.#done();
  }

  /** Some of these events come many times a second, so the running timer is kept until its end. */
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
