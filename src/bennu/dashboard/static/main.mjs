// The dashboard: a link to the server, and what shows its ticks.

import { Clients } from "./clients.mjs";
import { byId, element } from "./dom.mjs";
import { History } from "./history.mjs";
import { Inspector } from "./inspector/inspector.mjs";
import { Link } from "./link.mjs";
import { Tables } from "./tables.mjs";
import { Tiles } from "./tiles.mjs";
import * as views from "./views.mjs";

const STATES = { connecting: "Connecting…", online: "Online", offline: "Offline: connects again by itself", locked: "Locked", refused: "Refused" };

const WAITING = "No figures for some seconds";

const link = new Link();
const inspector = new Inspector(link);
const clients = new Clients(link, [{ text: "Inspect", name: (who) => `Inspect ${who}`, press: inspect }]);
const tables = new Tables({
  topic: [
    { text: "Clients", name: (topic) => `Clients in ${topic}`, press: clientsOf },
    { text: "Inspect", name: (topic) => `Inspect ${topic}`, press: (topic) => inspect({ topic }) },
  ],
  disconnect: (client) => clients.disconnect(client),
});
const tiles = new Tiles(byId("tiles"));
const history = new History();
const chosen = byId("node");
const LATE = 5_000; // milliseconds without a tick
let newest;
let came = 0;

function clientsOf(topic) {
  views.go("clients");
  clients.find(topic);
}

/** Follow a topic, or the connection of a client. */
function inspect({ topic, connection, node }) {
  views.go("inspector");
  inspector.follow(topic === undefined ? { connection, node } : { topic });
}

function showNodes({ nodes }) {
  const names = nodes.map(({ node }) => node);
  const known = [...chosen.options].slice(1).map(({ value }) => value);
  if (names.join("\n") === known.join("\n")) return;
  const { value } = chosen;
  chosen.replaceChildren(element("option", { value: "" }, "All nodes"), ...names.map((name) => element("option", { value: name }, name)));
  chosen.value = names.includes(value) ? value : "";
  inspector.showNodes(names);
}

function draw() {
  if (!newest || document.hidden) return;
  tiles.show(history, chosen.value);
  tables.show(newest, chosen.value);
}

function take(tick) {
  newest = tick;
  came = performance.now();
  if (byId("state").textContent === WAITING) showState();
  byId("waiting").hidden = true;
  history.add(tick);
  showNodes(tick);
  draw();
}

function showState() {
  const { state, text } = link;
  const isIn = state === "online" || state === "offline" || (state === "connecting" && newest !== undefined);
  byId("state").dataset.state = state === "locked" || state === "refused" ? "offline" : state;
  byId("state").textContent = STATES[state];
  byId("login").hidden = state !== "locked";
  byId("refused").hidden = state !== "refused";
  byId("refused").textContent = text;
  byId("main").hidden = !isIn;
  byId("views").hidden = !isIn;
  byId("logout").hidden = !isIn || !link.hasPassword;
  if (state === "locked") byId("password").focus();
}

link.addEventListener("state", showState);
link.channel("bennu:dashboard", {}, (channel) => channel.on("tick", take));
chosen.addEventListener("change", draw);
document.addEventListener("visibilitychange", draw);
byId("logout").addEventListener("click", () => link.logOut());
byId("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = byId("password");
  byId("login-problem").textContent = "";
  const problem = await link.logIn(field.value);
  byId("login-problem").textContent = problem;
  if (!problem) field.value = "";
  else field.select();
});

setInterval(() => {
  if (link.state !== "online" || newest === undefined || performance.now() - came < LATE) return;
  byId("state").dataset.state = "connecting";
  byId("state").textContent = WAITING;
}, 1_000);

views.show();
showState();
link.start();
