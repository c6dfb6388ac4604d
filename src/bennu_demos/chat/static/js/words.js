// Texts for the reasons of error replies.

const WORDS = {
  "bad_room_name": "Use up to 24 letters and digits, with single hyphens between them.",
  "empty_message": "The message is empty.",
  "invalid_payload body": "The message is too long. The limit is 2,000 characters.",
  "invalid_payload key": "This page is out of date. Please reload it.",
  "join crashed": "The server has a problem with this room.",
  "no_such_room": "There is no room with this name.",
  "too_many_rooms": "There are too many rooms. Please use an existing room.",
  "unmatched topic": "There is no room with this name.",
  "too many channels joined": "You are in too many rooms at once.",
};

const seconds = (wait) => (wait <= 1_000 ? "a second" : `${Math.ceil(wait / 1_000)} seconds`);

export const NO_ANSWER = "The server did not answer.";

/** Return the text for an error reply. */
export function words({ reason, errors = [], retry_after_ms: wait }) {
  if (reason === "rate_limited") return `You are too fast. Please wait ${seconds(wait)}, and try again.`;
  const key = errors.length ? `${reason} ${errors[0].path}` : reason;
  return WORDS[key] ?? `The server refused the request (${reason}).`;
}
