// The dialog of the first visit: a name and a password make an account, or log in.

import { byId } from "../design/dom.js";
import { dress } from "../design/people.js";
import { NO_ANSWER, words } from "./words.js";

const TEXTS = {
  signup: ["Welcome", "Choose a name and a password. That is all.", "Join the chat", "Log in instead", "new-password"],
  login: ["Welcome back", "Log in with your name and your password.", "Log in", "Sign up instead", "current-password"],
};

/** Ask until somebody is logged in. */
export function askAccount(session) {
  const [dialog, form] = [byId("account-dialog"), byId("account-form")];
  const [name, password] = [byId("name-input"), byId("password-input")];
  const problem = byId("account-error");
  let call = "signup";

  const choose = (next) => {
    call = next;
    const [title, lead, submit, other, kind] = TEXTS[call];
    byId("account-title").textContent = title;
    byId("account-lead").textContent = lead;
    byId("account-submit").textContent = submit;
    byId("account-other").textContent = other;
    password.autocomplete = kind;
    problem.textContent = "";
  };
  const preview = () => {
    dress(byId("name-avatar"), name.value.trim());
    problem.textContent = "";
  };

  choose("signup");
  preview();
  return new Promise((resolve) => {
    name.addEventListener("input", preview);
    byId("account-other").addEventListener("click", () => choose(call === "signup" ? "login" : "signup"));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      byId("account-submit").disabled = true;
      try {
        await session.enter(call, name.value, password.value);
        password.value = "";
        dialog.close();
        resolve();
      } catch (answer) {
        problem.textContent = answer.reason ? words(answer) : NO_ANSWER;
        (answer.reason === "bad_password" || answer.reason === "wrong_login" ? password : name).focus();
      } finally {
        byId("account-submit").disabled = false;
      }
    });
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.addEventListener("close", () => session.me ?? dialog.showModal());
    dialog.showModal();
    name.focus();
  });
}
