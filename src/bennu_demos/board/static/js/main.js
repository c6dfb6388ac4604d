// The page: the address says which board it shows.

import { Connection, showState } from "../design/connection.js";
import { byId, element, isolated, onceAFrame } from "../design/dom.js";
import { dress, palette } from "../design/people.js";
import { toast } from "../design/toast.js";
import { Board } from "./board.js";
import { CardDialog } from "./dialog.js";
import { dragCards, dragLists } from "./drag.js";
import { KeyMoves } from "./keys.js";
import { me, newId, rename } from "./me.js";
import { faces, small, View } from "./view.js";
import { people, told, why } from "./words.js";

const EXAMPLE = "e".repeat(32);

const connection = new Connection({ params: () => ({ ...me }) });
let board = null;
let isNew = false; // whether this page makes the board of the address

// Showing the board.

const drag = {
  start(id) {
    keys.cancel();
    view.held = id;
    if (board.model.card(id)) board.look(id);
  },
  end(operation) {
    view.held = null;
    board.look(null);
    if (operation) board.do(operation);
    render();
  },
};

const view = new View((id, lane) => {
  dragCards(lane.tiles, drag);
  lane.form.addEventListener("submit", (event) => {
    event.preventDefault();
    const title = lane.field.value.trim();
    if (!title) return;
    lane.field.value = "";
    board.do({ kind: "add_card", card: newId(), list: id, title });
    render();
    lane.field.scrollIntoView({ block: "nearest" });
  });
  lane.title.addEventListener("change", () => {
    const title = lane.title.value.trim();
    if (title) board.do({ kind: "rename_list", list: id, title });
    renderSoon();
  });
  lane.title.addEventListener("keydown", (event) => confirmOrReset(event, () => board.model.view().lists.find((list) => list.id === id)?.title));
  lane.remove.addEventListener("click", () => removeList(id));
});

const render = () => {
  if (!board.model.isLoaded) return;
  view.render(board.model.view(), board.looking());
  byId("board-title").disabled = false;
  showStage();
};
const renderSoon = onceAFrame(render);
const keys = new KeyMoves(view, render);
const dialog = new CardDialog((card) => view.openButton(card)?.focus());
dragLists(drag);

const hasNoBoard = () => board.state === "missing" || board.state === "refused";

function showStage() {
  const isMissing = hasNoBoard();
  byId("stage").dataset.state = board.state;
  byId("missing").hidden = !isMissing;
  byId("scroller").hidden = isMissing || !board.model.isLoaded;
  byId("loading").hidden = isMissing || board.model.isLoaded;
}

function showPeople() {
  const names = board.people.map(({ name }) => name);
  palette.here = new Set(names);
  faces(byId("faces"), names, 4);
  const count = board.people.length ? people(board.people.length) : board.state === "lost" ? "Offline" : "Connecting…";
  byId("people-count").textContent = count;
  byId("people-button").hidden = hasNoBoard();
  const titles = new Map(board.model.view().lists.flatMap(({ cards }) => cards.map(({ id, title }) => [id, title])));
  byId("people-list").replaceChildren(
    ...board.people.map(({ name, cards, isMe }) => {
      const who = element("span", { class: "people-name" }, element("bdi", {}, name), ...(isMe ? [element("span", {}, "(you)")] : []));
      const row = element("li", {}, small(name), who);
      const at = [...cards].map((id) => titles.get(id)).find(Boolean);
      if (at) row.append(element("bdi", { class: "people-at" }, at));
      return row;
    }),
  );
  dialog.showPeople();
  renderSoon();
}

// The board of the address.

function openBoard() {
  const id = location.hash.slice(1) || EXAMPLE;
  if (board?.id === id) return;
  board?.close();
  view.clear();
  board = new Board(connection.socket, id, isNew);
  isNew = false;
  keys.follow(board);
  byId("board-title").value = "";
  byId("board-title").disabled = true;
  board.addEventListener("change", () => {
    renderSoon();
    keys.check();
    if (dialog.update()) toast("Someone has removed this card.");
  });
  board.addEventListener("people", showPeople);
  board.addEventListener("state", () => {
    showStage();
    showPeople();
  });
  board.addEventListener("told", ({ detail }) => (byId("told").textContent = told(detail)));
  board.addEventListener("undone", ({ detail: { request, response } }) => undone(request.do, response));
  showStage();
  showPeople();
}

function undone(operation, response) {
  if (response.reason !== "edited_meanwhile") {
    toast(why(response), "bad");
    return;
  }
  const notice = `Someone has changed this card to “${isolated(response.title)}” while you wrote. If you save, your text replaces theirs.`;
  dialog.open(board, operation.card, { title: operation.title, text: operation.text, edited: response.edited, notice });
}

function beginBoard() {
  isNew = true;
  location.hash = newId();
}

// Controls.

function confirmOrReset(event, current) {
  if (event.key === "Enter") event.target.blur();
  if (event.key === "Escape") {
    event.target.value = current() ?? "";
    event.target.blur();
  }
}

function removeList(id) {
  const list = board.model.view().lists.find((found) => found.id === id);
  const remove = () => board.do({ kind: "remove_list", list: id });
  if (!list?.cards.length) {
    remove();
    return;
  }
  byId("ask-title").textContent = `Remove the list “${isolated(list.title)}”?`;
  byId("ask-text").textContent = list.cards.length === 1 ? "Its card is removed with it." : `Its ${list.cards.length} cards are removed with it.`;
  const ask = byId("ask-dialog");
  ask.returnValue = "";
  ask.addEventListener("close", () => ask.returnValue === "yes" && remove(), { once: true });
  ask.showModal();
}

byId("lanes").addEventListener("click", (event) => {
  const open = event.target.closest(".tile-open");
  if (open) dialog.open(board, open.closest(".tile").dataset.id);
});
byId("lane-new").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = byId("lane-new-title");
  const title = field.value.trim();
  if (!title) return;
  field.value = "";
  board.do({ kind: "add_list", list: newId(), title });
  render();
  field.scrollIntoView({ inline: "nearest" });
});
byId("board-title").addEventListener("change", ({ target }) => {
  const title = target.value.trim();
  if (title) board.do({ kind: "rename_board", title });
  renderSoon();
});
byId("board-title").addEventListener("keydown", (event) => confirmOrReset(event, () => board.model.view().title));
byId("new-board").addEventListener("click", beginBoard);
byId("begin").addEventListener("click", beginBoard);
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("lanes").querySelector(".move")?.focus();
});

function showMe() {
  const button = byId("me");
  const face = dress(element("span", { class: "avatar", "aria-hidden": "true" }), me.name);
  button.replaceChildren(face, element("span", { class: "visually-hidden" }, `You are ${me.name}. Change your name`));
}

byId("me").addEventListener("click", () => {
  byId("name-input").value = me.name;
  byId("name-dialog").showModal();
  byId("name-input").select();
});
byId("name-cancel").addEventListener("click", () => byId("name-dialog").close());
byId("name-form").addEventListener("submit", () => {
  const name = byId("name-input").value.trim().replace(/\s+/g, " ");
  if (!name || name === me.name) return;
  rename(name);
  showMe();
  connection.socket.disconnect(() => connection.connect()); // the name is a parameter of the connect
});

showMe();
showState(connection, byId("banner"));
connection.connect();
addEventListener("hashchange", openBoard);
openBoard();
