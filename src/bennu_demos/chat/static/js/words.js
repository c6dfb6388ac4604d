// Texts for the reasons of error replies.

const WORDS = {
  "bad_name": "Please choose a name with a letter or a digit, of at most 32 characters.",
  "bad_password": "Please use at least 8 characters for the password.",
  "bad_room_name": "Use up to 24 letters and digits, with single hyphens between them.",
  "empty_message": "The message is empty.",
  "invalid_payload body": "The message is too long. The limit is 2,000 characters.",
  "invalid_payload key": "This page is out of date. Please reload it.",
  "join crashed": "The server has a problem with this room.",
  "name_taken": "Somebody has this name. Is it you? Then log in instead.",
  "no_such_message": "This message is gone.",
  "no_such_person": "Nobody has this name.",
  "no_such_room": "There is no room with this name.",
  "too_many_rooms": "There are too many rooms. Please use an existing room.",
  "not_a_moderator": "Only moderators can do this.",
  "not_yours": "Only its author can do this.",
  "room_full": "This room is full.",
  "unwanted_words": "The message has words that are not wanted here.",
  "wrong_login": "The name or the password is wrong.",
  "yourself": "You can't do this to yourself.",
  "unmatched topic": "There is no room with this name.",
  "too many channels joined": "You are in too many rooms at once.",
};

const seconds = (wait) => (wait <= 1_000 ? "a second" : `${Math.ceil(wait / 1_000)} seconds`);

const time = (until) => new Intl.DateTimeFormat(undefined, { timeStyle: "short" }).format(until);

// Texts for the reasons that say until when.
const UNTIL = {
  blocked: (until) => `A moderator has blocked you until ${time(until)}.`,
  kicked: (until) => `A moderator has removed you from this room. You can come back at ${time(until)}.`,
  muted: (until) => `A moderator has muted you here until ${time(until)}.`,
};

export const NO_ANSWER = "The server did not answer.";

/** Return the text for an error reply. */
export function words({ reason, errors = [], retry_after_ms: wait, until }) {
  if (reason === "rate_limited") return `You are too fast. Please wait ${seconds(wait)}, and try again.`;
  if (reason in UNTIL) return UNTIL[reason](until);
  const key = errors.length ? `${reason} ${errors[0].path}` : reason;
  return WORDS[key] ?? `The server refused the request (${reason}).`;
}
