// The page: messages, the people who are there, and the state of the connection.
//
// Texts of users become text nodes, never HTML.

import { Session } from "./session.js";
import { PATH, Presence, Socket, recoverable } from "./socket.js";

const byId = (id) => document.getElementById(id);

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const session = new Session();
const socket = new Socket(PATH, { authToken: () => session.token });
const room = recoverable(socket, "room:lobby", {}, { missed: () => (isFresh = true) });
const presence = new Presence(room.channel);

// The state of the connection. phoenix.js connects again by itself, and joins the room again.

const STATES = { connecting: "Connecting…", online: "Online", offline: "Offline" };

function show(state) {
  byId("state").dataset.state = state;
  byId("state").textContent = STATES[state];
  byId("people").toggleAttribute("data-stale", state !== "online");
}

// A refused or lost connection can mean that the token is too old.
socket.onError(() => session.load());
socket.onClose(() => show("offline"));
addEventListener("offline", () => {
  socket.disconnect(); // a browser knows at once; a WebSocket would notice it at the next heartbeat
  show("offline");
});
addEventListener("online", () => socket.connect());

// Messages.

const known = new Set();
let isFresh = true; // the reply to the next join has the state of the page

room
  .join()
  .receive("ok", ({ messages }) => {
    show("online");
    if (isFresh) {
      known.clear();
      byId("log").replaceChildren();
      messages.forEach(add);
      byId("empty").hidden = known.size > 0;
    }
    isFresh = false;
  })
  .receive("error", ({ reason }) => complain(`You can't enter this room: ${reason}`));

room.on("message", add);
room.onError(() => show("offline"));

function add(message) {
  if (known.has(message.id)) return;
  known.add(message.id);
  if (message.user_id === session.id) drafts.get(message.key)?.remove();
  byId("empty").hidden = true;
  const isAtEnd = atEnd();
  byId("log").append(item(message.author, message.body, message.sent_at, message.user_id === session.id));
  if (isAtEnd) toEnd();
}

function item(author, body, sentAt, isOwn) {
  const at = new Date(sentAt);
  const time = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return element(
    "li",
    { class: isOwn ? "message own" : "message" },
    element("bdi", { class: "author" }, author),
    element("time", { datetime: at.toISOString() }, time),
    element("p", { dir: "auto" }, body),
  );
}

const scroller = byId("scroller");
const atEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;
const toEnd = () => (scroller.scrollTop = scroller.scrollHeight);

// Sending. A message whose reply was lost is sent again with the same key: the server handles it once.

const drafts = new Map();

byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const body = byId("text").value.trim();
  if (!body) return;
  const key = randomKey();
  const draft = item(session.name, body, Date.now(), true);
  draft.classList.add("draft");
  drafts.set(key, draft);
  byId("outbox").append(draft);
  byId("text").value = "";
  complain("");
  toEnd();
  send({ body, key });
});

function send(message) {
  room
    .push("message", message)
    .receive("ok", () => forget(message.key))
    .receive("timeout", () => send(message))
    .receive("error", ({ reason, retry_after_ms: wait }) => {
      if (wait) {
        complain("You are sending fast. Your message goes out in a moment.");
        setTimeout(() => send(message), wait);
        return;
      }
      forget(message.key);
      byId("text").value ||= message.body;
      complain(`The message was not sent: ${reason}`);
    });
}

function forget(key) {
  drafts.get(key)?.remove();
  drafts.delete(key);
  if (!drafts.size) complain("");
}

function complain(text) {
  byId("problem").textContent = text;
}

// crypto.randomUUID exists only on https and on localhost.
function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// The people who are there: one line for each, however many pages they have open.

presence.onSync(() => {
  const people = presence.list((key, { metas }) => ({ key, name: metas[0].name, pages: metas.length }));
  people.sort((one, other) => one.name.localeCompare(other.name));
  byId("people-count").textContent = String(people.length);
  byId("people").replaceChildren(
    ...people.map(({ name, pages }) =>
      element(
        "li",
        {},
        element("span", { class: "avatar", "aria-hidden": "true" }, [...name][0]?.toUpperCase() ?? ""),
        element("bdi", {}, name),
        ...(pages > 1 ? [element("small", {}, `${pages} pages`)] : []),
      ),
    ),
  );
});

byId("sign-out").addEventListener("click", () => session.signOut());

// A token first, then the socket. A server that can't be reached is asked again.

async function start() {
  while (!(await session.load())) {
    show("offline");
    await new Promise((resolve) => setTimeout(resolve, 2_000));
  }
  byId("me").textContent = session.name;
  show("connecting");
  socket.connect();
}

await start();
