// Asks a person for a name, and stores the name in the browser.

import { byId } from "../design/dom.js";
import { dress } from "../design/people.js";

const KEY = "bennu-chat:name";

export const storedName = () => localStorage.getItem(KEY);

/** Ask for a name, and store it. The promise resolves to the name, or to null if the name did not change. */
export function askName(current = "") {
  const dialog = byId("name-dialog");
  const form = byId("name-form");
  const input = byId("name-input");
  const problem = byId("name-error");
  const avatar = byId("name-avatar");
  const cleaned = () => input.value.trim().replace(/\s+/g, " ");
  const preview = () => {
    dress(avatar, cleaned());
    problem.textContent = "";
  };
  input.value = current;
  preview();
  return new Promise((resolve) => {
    const done = new AbortController();
    const { signal } = done;
    input.addEventListener("input", preview, { signal });
    form.addEventListener(
      "submit",
      (event) => {
        if (/[\p{L}\p{N}]/u.test(cleaned())) {
          localStorage.setItem(KEY, cleaned());
          return;
        }
        event.preventDefault();
        problem.textContent = "Please enter a name with a letter or a digit.";
        input.focus();
      },
      { signal },
    );
    // The first name is required: the dialog can't be cancelled.
    dialog.addEventListener("cancel", (event) => current || event.preventDefault(), { signal });
    dialog.addEventListener(
      "close",
      () => {
        if (!storedName()) {
          dialog.showModal();
          return;
        }
        done.abort();
        resolve(storedName() === current ? null : storedName());
      },
      { signal },
    );
    dialog.showModal();
    input.select();
  });
}
