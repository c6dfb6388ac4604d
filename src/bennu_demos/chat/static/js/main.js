// The page: connects its parts.

import { Attention } from "./attention.js";
import { Composer } from "./composer.js";
import { Connection } from "../design/connection.js";
import { Conversation } from "./conversation.js";
import { byId, element, onceAFrame } from "../design/dom.js";
import { askName, storedName } from "./name.js";
import { avatar, dress, list, palette } from "../design/people.js";
import { Room } from "./room.js";
import { Roster } from "./roster.js";
import { Sidebar } from "./sidebar.js";

const me = storedName() ?? (await askName());
const connection = new Connection({ params: { name: me } });
const attention = new Attention();
const roster = new Roster(me);
const sidebar = new Sidebar(connection.socket, me);
const renderSidebar = onceAFrame(() => sidebar.render());
const conversation = new Conversation(me, {
  onRead: renderSidebar,
  onEdit: (text) => {
    composer.text = composer.text ? `${text}\n${composer.text}` : text;
    composer.focus();
  },
});
const composer = new Composer({
  onSend: (body) => room.send(body),
  onTyping: () => room.sayTyping(),
  onResize: () => conversation.stay(),
});
const rooms = new Map();
let room = null;

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
    room.draft = composer.text;
    room.leave();
  }
  if (!rooms.has(name)) {
    const made = new Room(connection.socket, name, me, attention);
    const on = (target, type, render) =>
      target.addEventListener(type, () => room === made && render());
    on(made.presences, "people", renderPeople);
    on(made, "typing", renderTyping);
    on(made, "state", renderState);
    rooms.set(name, made);
  }
  room = rooms.get(name);
  sidebar.current = name;
  byId("room-name").replaceChildren(
    element("span", { class: "hash", "aria-hidden": "true" }, "#"),
    element("bdi", {}, name),
  );
  composer.room = name;
  composer.text = room.draft;
  conversation.show(room);
  room.enter();
  renderSidebar();
  renderPeople();
  renderTyping();
  byId("rooms").hidePopover();
  if (matchMedia("(hover: hover)").matches) composer.focus();
}

// The people in the room.

const renderPeople = onceAFrame(() => {
  const names = room.presences.here().map(({ name }) => name);
  const isOffline = connection.state === "offline";
  palette.here = new Set(names);
  byId("people-button").hidden = !names.length && !isOffline;
  byId("people-count").textContent = isOffline ? "Offline" : crowd(names.length);
  byId("people-offline").hidden = !isOffline;
  byId("people-faces").replaceChildren(...names.slice(0, 4).map(avatar));
  roster.render(room.presences);
});

const crowd = (number) => ["", "Only you here"][number] ?? `${number} people here`;

// In a wide window the list is a column beside the messages, and no drawer.
matchMedia("(width > 68rem)").addEventListener("change", () => byId("people").hidePopover());

function renderTyping() {
  const names = [...room.typists.keys()];
  const verb = names.length === 1 ? "is" : "are";
  byId("typing").classList.toggle("on", names.length > 0);
  byId("typing-text").textContent = names.length ? `${list(names)} ${verb} typing…` : "";
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

byId("rename").addEventListener("click", async () => {
  if ((await askName(me)) !== null) location.reload();
});

byId("new-room").addEventListener("click", () => {
  byId("room-error").textContent = "";
  byId("room-input").value = "";
  byId("rooms").hidePopover();
  byId("room-dialog").showModal();
});

byId("room-cancel").addEventListener("click", () => byId("room-dialog").close());

byId("room-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const name = await sidebar.open(byId("room-input").value);
    byId("room-dialog").close();
    location.hash = encodeURIComponent(name);
    openRoom(); // needed if the address already names this room, which did not exist before
  } catch (problem) {
    byId("room-error").textContent = problem.message;
    byId("room-input").select();
  }
});

byId("skip").addEventListener("click", () => composer.focus());

dress(byId("me-avatar"), me);
byId("me-name").textContent = me;
connection.addEventListener("state", renderState);
addEventListener("hashchange", openRoom);
openRoom();
connection.connect();
