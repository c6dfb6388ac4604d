// Times in words.

const HOUR_AND_MINUTE = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const DAY = new Intl.DateTimeFormat("en", { weekday: "long", day: "numeric", month: "long" });
const SHORT_DAY = new Intl.DateTimeFormat("en", { day: "numeric", month: "short" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

const startOfDay = (ms) => new Date(ms).setHours(0, 0, 0, 0);

/** The number of midnights since a time. */
const daysAgo = (ms) => Math.round((startOfDay(Date.now()) - startOfDay(ms)) / 86_400_000);

export const isSameDay = (one, other) => startOfDay(one) === startOfDay(other);
export const clock = (ms) => HOUR_AND_MINUTE.format(ms);
export const full = (ms) => FULL.format(ms);
export const day = (ms) => ["Today", "Yesterday"][daysAgo(ms)] ?? DAY.format(ms);
export const brief = (ms) => (daysAgo(ms) === 0 ? clock(ms) : SHORT_DAY.format(ms));
export const since = (ms) => (daysAgo(ms) === 0 ? clock(ms) : `${SHORT_DAY.format(ms)}, ${clock(ms)}`);

/** "just now", "5 min ago", "3 h ago", "yesterday", "4 days ago" */
export function ago(ms) {
  const minutes = Math.floor((Date.now() - ms) / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 12 * 60 || daysAgo(ms) === 0) return `${Math.floor(minutes / 60)} h ago`;
  return daysAgo(ms) === 1 ? "yesterday" : `${daysAgo(ms)} days ago`;
}
