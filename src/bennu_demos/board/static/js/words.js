// Texts for people: the reasons of refusals, and what others did.

import { isolated } from "../design/dom.js";

const REASONS = {
  card_gone: "Someone has removed this card.",
  list_gone: "Someone has removed this list.",
  id_taken: "The server refused this id. Please try again.",
  too_many_cards: "A board has room for 500 cards.",
  too_many_lists: "A board has room for 20 lists.",
  invalid_payload: "A title needs 1 to 200 characters, and a description at most 4,000.",
  key_reused: "This page is out of date. Please reload it.",
};

/** Why an operation was undone. */
export const why = ({ reason }) => REASONS[reason] ?? `The server refused the change (${reason}).`;

const DONE = {
  rename_board: "renamed the board",
  add_list: "added a list",
  rename_list: "renamed a list",
  move_list: "moved a list",
  remove_list: "removed a list",
  add_card: "added a card",
  edit_card: "edited a card",
  move_card: "moved a card",
  remove_card: "removed a card",
};

/** What another person did, for a screen reader. */
export const told = ({ by, kind }) => `${isolated(by)} ${DONE[kind] ?? "changed the board"}.`;

/** "1 person", "3 people" */
export const people = (count) => (count === 1 ? "1 person" : `${count} people`);
