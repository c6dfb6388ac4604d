// Numbers as texts. A direction is a sign and an arrow, and not only a colour.

const price = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const count = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const money = (cents) => price.format(cents / 100);
export const shares = (number) => count.format(number);

/** "up", "down" or "even" */
export const way = (change) => (change > 0 ? "up" : change < 0 ? "down" : "even");

const ARROWS = { up: "▲", down: "▼", even: "•" };
const SIGNS = { up: "+", down: "−", even: "" };

/** 123 hundredths of a percent: "▲ +1.23 %" */
export function percent(change) {
  const direction = way(change);
  return `${ARROWS[direction]} ${SIGNS[direction]}${price.format(Math.abs(change) / 100)} %`;
}

/** The change since the session before, in hundredths of a percent. */
export const changeOf = ({ price, previous }) => Math.round((10_000 * (price - previous)) / previous);

/** 125 seconds: "2:05" */
export function minutes(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** Write a text into an element, if it has another one. */
export function write(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** Show a change in an element: its text, and its colour. */
export function writeChange(target, change) {
  write(target, percent(change));
  target.dataset.way = way(change);
}
