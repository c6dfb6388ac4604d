// Numbers as text.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const exact = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

export const count = (value) => whole.format(value);
export const percent = (part) => `${whole.format(part * 100)} %`;

/** Events by the second: "0", "0.5/s", "1,250/s" */
export function rate(value) {
  if (!value) return "0";
  return `${value < 10 ? exact.format(value) : whole.format(value)}/s`;
}

/** Bytes: "512 B", "1.5 MB" */
export function bytes(value) {
  const units = ["B", "kB", "MB", "GB"];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit && value < 100 ? exact.format(value) : whole.format(value)} ${units[unit]}`;
}

/** Seconds as milliseconds: "0.12 ms", "250 ms" */
export function milliseconds(seconds) {
  const value = seconds * 1000;
  if (value >= 100) return `${whole.format(value)} ms`;
  return `${value.toFixed(value >= 10 ? 1 : 2)} ms`;
}

/** A length of time: "12 s", "5 min", "3 h", "2 d" */
export function duration(seconds) {
  for (const [size, unit] of [[86_400, "d"], [3_600, "h"], [60, "min"]]) {
    if (seconds >= size) return `${whole.format(Math.floor(seconds / size))} ${unit}`;
  }
  return `${whole.format(Math.floor(seconds))} s`;
}

/** "1 client", "2 clients" */
export const counted = (value, noun) => `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
