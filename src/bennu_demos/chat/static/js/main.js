// The page: connects its parts.

import { askAccount } from "./account.js";
import { Attention } from "./attention.js";
import { Composer } from "./composer.js";
import { Connection } from "../design/connection.js";
import { Conversation } from "./conversation.js";
import { byId, element, isolated, onceAFrame } from "../design/dom.js";
import { openMenu } from "./menu.js";
import { Notifications } from "./notifications.js";
import { avatar, dress, list, palette } from "../design/people.js";
import { Room } from "./room.js";
import { Rooms, ask } from "./rooms.js";
import { Roster } from "./roster.js";
import { Session } from "./session.js";
import { Sidebar, sign } from "./sidebar.js";
import { toast } from "../design/toast.js";

const session = new Session();
if (!(await session.renew())) await askAccount(session);
const me = session.me;
const connection = new Connection({ authToken: () => session.token });
session.follow(connection);
const attention = new Attention();
const rooms = new Rooms(connection.socket, me);
new Notifications(rooms);
const roster = new Roster(me.name, showPerson);
const sidebar = new Sidebar(rooms, me);
const renderSidebar = onceAFrame(() => {
  sidebar.render();
  renderHead();
});
const conversation = new Conversation(me.name, rooms, {
  onRead: renderSidebar,
  onMenu: showMessageMenu,
  onRewrite: (text) => {
    composer.text = composer.text ? `${text}\n${composer.text}` : text;
    composer.focus();
  },
});
const composer = new Composer({
  onSend: (body) => room.send(body),
  onEdit: (message, body) =>
    attempt(room.ask("edit", { id: message.id, body })).then((isDone) => isDone || composer.edit(message, body)),
  onEditLast: () => room.lastOwn && composer.edit(room.lastOwn),
  onTyping: () => room.sayTyping(),
  onResize: () => conversation.stay(),
});
const opened = new Map(); // name -> Room
let room = null;

/** Show why a request failed. The promise resolves to whether it succeeded. */
function attempt(promise, done = "") {
  return promise.then(
    () => {
      if (done) toast(done);
      return true;
    },
    (problem) => {
      toast(problem.message, "bad");
      return false;
    },
  );
}

// The current room. The address contains its name, so that links to rooms and the back button work.

function roomInAddress() {
  try {
    return decodeURIComponent(location.hash.slice(1)) || "lobby";
  } catch {
    return "lobby"; // the address is no valid text
  }
}

function openRoom() {
  const name = roomInAddress();
  if (room?.name === name && room.state !== "refused") return;
  if (room) {
    composer.edit(null);
    room.draft = composer.text;
    room.leave();
  }
  if (!opened.has(name)) {
    const made = new Room(connection.socket, name, me.name, attention);
    const on = (target, type, render) =>
      target.addEventListener(type, () => room === made && render());
    on(made.presences, "people", renderPeople);
    on(made, "typing", renderTyping);
    on(made, "state", renderState);
    opened.set(name, made);
  }
  room = opened.get(name);
  rooms.current = name;
  composer.text = room.draft;
  conversation.show(room);
  room.enter();
  renderSidebar();
  renderHead();
  renderPeople();
  renderTyping();
  byId("rooms").hidePopover();
  if (matchMedia("(hover: hover)").matches) composer.focus();
}

let shownHead = "";

/** Show the title of the room, and what its members can do. A conversation's title comes with the list of rooms. */
function renderHead() {
  if (!room) return;
  const row = rooms.get(room.name);
  const title = rooms.title(room.name);
  const kind = row?.kind ?? (room.name.startsWith("~") ? "closed" : "open");
  room.presences.members = kind === "open" ? [] : (row?.members ?? []);
  byId("member-actions").hidden = kind !== "closed" || !row;
  const head = JSON.stringify([kind, title, room.presences.members]);
  if (head === shownHead) return;
  shownHead = head;
  byId("room-name").replaceChildren(sign({ kind }, title), element("bdi", {}, title));
  composer.room = kind === "direct" ? title : `#${title}`;
  conversation.renderTitle();
  renderPeople();
}

rooms.addEventListener("change", renderSidebar);
rooms.addEventListener("gone", ({ detail: name }) => opened.get(name)?.end("You are not in this room any more."));

// The people in the room.

const renderPeople = onceAFrame(() => {
  const names = room.presences.here().map(({ name }) => name);
  const isOffline = connection.state === "offline";
  palette.here = new Set(names);
  byId("people-button").hidden = !names.length && !isOffline;
  byId("people-count").textContent = isOffline ? "Offline" : crowd(names.length);
  byId("people-offline").hidden = !isOffline;
  byId("people-faces").replaceChildren(...names.slice(0, 4).map(small));
  roster.render(room.presences);
});

function small(name) {
  const face = avatar(name);
  face.classList.add("small");
  return face;
}

const crowd = (number) => ["", "Only you here"][number] ?? `${number} people here`;

// In a wide window the list is a column beside the messages, and no drawer.
matchMedia("(width > 68rem)").addEventListener("change", () => byId("people").hidePopover());

function renderTyping() {
  const names = [...room.typists.keys()];
  const verb = names.length === 1 ? "is" : "are";
  byId("typing").classList.toggle("on", names.length > 0);
  byId("typing-text").textContent = names.length ? `${list(names)} ${verb} typing…` : "";
}

// The menus.

function showMessageMenu(message, button) {
  const edit = ["Edit", () => composer.edit(message)];
  const remove = ["Remove", () => attempt(room.ask("remove", { id: message.id })), "bad"];
  openMenu(button, message.author === me.name ? [edit, remove] : [remove]);
}

function showPerson(name, button) {
  const who = isolated(name);
  const say = (event, payload, done) => () => attempt(room.ask(event, { name, ...payload }), done);
  const items = [["Send a message", () => attempt(rooms.direct([name]).then(goTo))]];
  if (room.mayModerate) {
    items.push(
      ["Mute for 10 minutes", say("mute", { minutes: 10 }, `${who} can't write here for 10 minutes.`)],
      ["Unmute", say("mute", { minutes: 0 }, `${who} can write here.`)],
      ["Remove from this room", say("kick", {}, `${who} is removed from this room.`), "bad"],
    );
  }
  if (me.is_moderator) {
    const block = () => attempt(ask(rooms.mine, "block", { name }), `${who} is blocked for a day.`);
    items.push(["Block for a day", block, "bad"]);
  }
  openMenu(button, items);
}

function goTo(name) {
  location.hash = encodeURIComponent(name);
  openRoom(); // needed if the address already names this room, which did not exist before
}

// The state of the connection.

const BANNERS = {
  connecting: "Connecting…",
  offline: "No connection. Trying again…",
  rejoining: "Rejoining the room…",
  back: "Back online",
  online: "",
};
const STATES = { connecting: "Connecting…", online: "Online", offline: "Offline" };

let banner = "connecting";
let backTimer = 0;

function renderState() {
  const wasLost = banner === "offline" || banner === "rejoining";
  if (connection.state !== "online") banner = connection.state;
  else if (room.state === "rejoining") banner = "rejoining";
  else if (wasLost) banner = "back";
  else if (banner !== "back") banner = "online";
  clearTimeout(backTimer);
  if (banner === "back") {
    backTimer = setTimeout(() => {
      banner = "online";
      renderBanner();
    }, 2_000);
  }
  renderBanner();
  renderPeople();
  composer.isEnabled = room.state !== "refused";
}

function renderBanner() {
  byId("banner").dataset.state = banner;
  byId("banner").textContent = BANNERS[banner];
  byId("me-state").dataset.state = connection.state;
  byId("me-state").textContent = STATES[connection.state];
}

// The dialogs.

/** A dialog that asks for a text. `act` gets the text; the promise that it returns rejects with an Error that says why not. */
function dialogOf(name, act) {
  const [dialog, input, problem] = [byId(`${name}-dialog`), byId(`${name}-input`), byId(`${name}-error`)];
  byId(`${name}-open`).addEventListener("click", () => {
    problem.textContent = "";
    input.value = "";
    byId("rooms").hidePopover();
    dialog.showModal();
  });
  byId(`${name}-cancel`).addEventListener("click", () => dialog.close());
  byId(`${name}-form`).addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await act(input.value);
      dialog.close();
    } catch (error) {
      problem.textContent = error.message;
      input.select();
    }
  });
}

dialogOf("room", async (name) => goTo(await rooms.open(name, byId("room-private").checked)));
dialogOf("direct", async (names) => {
  const people = names.split(",").map((name) => name.trim());
  goTo(await rooms.direct(people.filter(Boolean)));
});
dialogOf("invite", (name) => room.ask("invite", { name: name.trim() }));
byId("quit").addEventListener("click", () => attempt(room.ask("quit", {})).then(() => (location.hash = "lobby")));
byId("log-out").addEventListener("click", () => session.logOut());
byId("skip").addEventListener("click", () => composer.focus());

dress(byId("me-avatar"), me.name);
byId("me-name").textContent = me.name;
byId("me-role").hidden = !me.is_moderator;
connection.addEventListener("state", renderState);
addEventListener("hashchange", openRoom);
rooms.join(); // before the room, whose line "New" needs to know what is read
openRoom();
connection.connect();
