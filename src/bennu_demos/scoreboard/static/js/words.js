// What the page says about matches and events.

/** The minute of a match as it is written: "37′", "45+2′". */
export function minute(match) {
  const { phase } = match.state;
  const last = phase === "first" ? 45 : 90;
  const now = Math.floor(match.age() / 60) + 1;
  return now <= last ? `${now}′` : `${last}+${now - last}′`;
}

function countdown(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** "37′", "Half-time", "Kick-off in 0:12" */
export function status(match) {
  switch (match.state?.phase) {
    case undefined:
      return "Loading…";
    case "soon":
      return `Kick-off in ${countdown(match.untilKickOff())}`;
    case "break":
      return "Half-time";
    case "over":
      return "Full time";
    default:
      return minute(match);
  }
}

const KINDS = {
  goal: ["⚽", "Goal"],
  chance: ["◌", "Chance"],
  yellow: ["", "Yellow card"],
  red: ["", "Red card"],
  substitution: ["⇄", "Substitution"],
};

/** The mark of an event. */
export const mark = ({ kind }) => KINDS[kind]?.[0] ?? "";

/** "Goal", "Second half" */
export function title({ kind, minute, score }) {
  if (kind === "kick_off") return minute === "1" ? "Kick-off" : "Second half";
  if (kind === "half_time") return `Half-time, ${score.join(" : ")}`;
  if (kind === "full_time") return `Full time, ${score.join(" : ")}`;
  return KINDS[kind][1];
}

/** The second line of an event. */
export function more({ kind, other, score }) {
  if (kind === "goal") return `${score.join(" : ")}${other ? `, passed by ${other}` : ""}`;
  if (kind === "substitution") return `for ${other}`;
  return "";
}

/** "12′ Goal: A. Cho" */
export const line = (event) => `${event.minute}′ ${title(event)}${event.player ? `: ${event.player}` : ""}`;
