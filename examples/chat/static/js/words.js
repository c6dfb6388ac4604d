// What the server's reasons mean, in words.

const WORDS = {
  "bad_room_name": "Use up to 24 letters and digits, with single hyphens between them.",
  "empty_message": "There is nothing in it.",
  "invalid_payload body": "It is too long: 2,000 characters is the most.",
  "invalid_payload key": "This page is out of date. Please load it again.",
  "join crashed": "The server has a problem with this room.",
  "no_such_room": "There is no room of this name.",
  "too_many_rooms": "There are enough rooms. Please use one that is there.",
  "unmatched topic": "There is no room of this name.",
  "too many channels joined": "You are in too many rooms at once.",
};

const seconds = (wait) => (wait <= 1_000 ? "a second" : `${Math.ceil(wait / 1_000)} seconds`);

export const NO_ANSWER = "The server did not answer.";

/** Say an error reply in words. */
export function words({ reason, errors = [], retry_after_ms: wait }) {
  if (reason === "rate_limited") return `That was fast. Please wait ${seconds(wait)}, and try again.`;
  const key = errors.length ? `${reason} ${errors[0].path}` : reason;
  return WORDS[key] ?? `The server refused it (${reason}).`;
}
