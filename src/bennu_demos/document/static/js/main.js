// The page of one document: connects its parts.

import { Connection, showState } from "../design/connection.js";
import { byId, onceAFrame } from "../design/dom.js";
import { palette } from "../design/people.js";
import { toast } from "../design/toast.js";
import { openEditor } from "./editor.js";
import { linkIn, linkTo } from "./links.js";
import { keepName, myName, tidy } from "./names.js";
import { showPeople } from "./people.js";
import { Session } from "./session.js";
import { keep } from "./shelf.js";

const { id, key } = linkIn(location.hash);
const connection = new Connection();
const session = new Session(connection, { id, key, name: myName() });
let editor = null;

// How the page stands to the server.

const STATES = {
  syncing: ["", "Connecting…"],
  saving: ["", "Saving…"],
  saved: ["good", "Saved"],
  offline: ["off", "Offline, edits are kept"],
  full: ["bad", "Not saved"],
};
const SLOW = 400; // milliseconds

const MISSING = {
  no_such_document: ["There is no such document", "The link may be cut off, or the document was deleted."],
  wrong_key: ["This link is not complete", "A link for writing has a key at its end. Ask for the whole link."],
  invalid_payload: ["This link can't be read", "Ask for the whole link."],
};

let savingSince = 0;

function render() {
  const { state } = session;
  if (state in MISSING) return renderMissing(...MISSING[state]);
  if (session.isHere && !editor) open();
  clearTimeout(savingSince);
  if (state === "saving" && byId("state-text").textContent === STATES.saved[1]) {
    savingSince = setTimeout(renderState, SLOW); // mostly it is saved before anybody can read this
  } else {
    renderState();
  }
  if (state === "full") {
    editor?.lock();
    byId("full").hidden = false;
  }
}

function renderState() {
  const [dot, text] = STATES[session.state];
  byId("state-dot").className = `dot ${dot}`;
  byId("state-text").textContent = session.state === "saved" && !session.canWrite ? "Read only" : text;
}

function renderMissing(title, text) {
  byId("loading").hidden = true;
  byId("missing").hidden = false;
  byId("missing-title").textContent = title;
  byId("missing-text").textContent = text;
  for (const part of ["people-button", "share", "state", "skip"]) byId(part).hidden = true;
}

/** Show the text, once it is here: nobody shall write in an empty page that is not empty. */
function open() {
  byId("loading").hidden = true;
  byId("paper").hidden = false;
  byId("reading").hidden = session.canWrite;
  editor = openEditor(byId("paper"), session, {
    colourOf: (name) => palette.colour(name),
    onTooLong: () => toast("This document is as long as it can be. Start a new one for what follows.", "bad"),
  });
  if (matchMedia("(hover: hover)").matches && session.canWrite) editor.view.focus();
  renderTitle();
  session.text.observe(renderTitle);
}

// The title is the first line that has some text.

let shown = null;

const renderTitle = onceAFrame(() => {
  const title = (/\S.*/.exec(session.text.toString().slice(0, 1_000)) ?? [""])[0].trim().slice(0, 100);
  if (title === shown) return;
  shown = title;
  byId("title").textContent = title || "Untitled";
  document.title = title || "Untitled document";
  keep({ id, key, title });
});

// The buttons and dialogs.

byId("write-link").value = linkTo({ id, key });
byId("read-link").value = linkTo({ id, key: "" });
byId("share-write").hidden = !session.canWrite;
byId("share").addEventListener("click", () => byId("share-dialog").showModal());
byId("share-close").addEventListener("click", () => byId("share-dialog").close());

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // the browser does not allow it
  }
}

for (const button of document.querySelectorAll("[data-copies]")) {
  const field = byId(button.dataset.copies);
  field.addEventListener("focus", () => field.select());
  button.addEventListener("click", async () => {
    if (!(await copy(field.value))) return field.focus(); // then the person can copy it
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 2_000);
  });
}
byId("copy-text").addEventListener("click", async () => {
  if (await copy(session.text.toString())) toast("Copied.");
  else toast("The browser did not allow it. Select the text, and copy it.", "bad");
});
byId("reload").addEventListener("click", () => location.reload());

byId("name").value = myName();
byId("rename").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = tidy(byId("name").value);
  if (!name) return;
  keepName(name);
  session.rename(name);
});

byId("skip").addEventListener("click", () => editor?.view.focus());

addEventListener("hashchange", () => location.reload());
addEventListener("beforeunload", (event) => session.hasUnsaved && event.preventDefault());

session.addEventListener("state", render);
showState(connection, byId("banner"));
showPeople(session);
connection.connect();
