// The page: connects its parts.

import { Connection, showState } from "../design/connection.js";
import { byId, onceAFrame } from "../design/dom.js";
import { Fleet } from "./fleet.js";
import { List } from "./list.js";
import { Orders } from "./orders.js";
import { Plan } from "./plan.js";

// The name is only a label on commands: this demo has no accounts.
const NAME = "iot-operator";
const stored = localStorage.getItem(NAME) || `Operator ${100 + Math.floor(Math.random() * 900)}`;
const me = byId("me");
me.value = stored;

const connection = new Connection({ params: () => ({ name: localStorage.getItem(NAME) || stored }) });
const fleet = new Fleet(connection.socket);
const orders = new Orders(fleet, () => localStorage.getItem(NAME) || stored, () => render());
const choose = (id) => {
  orders.open(id);
  render();
};
const plan = new Plan(fleet, choose);
const list = new List(fleet, choose);

const render = onceAFrame(() => {
  const all = [...fleet.devices.values()];
  const online = all.filter((device) => fleet.isOnline(device)).length;
  byId("count").textContent = all.length ? `${online} of ${all.length} online` : "";
  document.body.toggleAttribute("data-stale", connection.state !== "online" && fleet.isLoaded);
  plan.render(orders.chosen);
  list.render();
  orders.render();
});

me.addEventListener("change", () => {
  const name = me.value.trim();
  if (name) localStorage.setItem(NAME, name);
  else me.value = localStorage.getItem(NAME) || stored;
  // The server learns the name when the page connects.
  connection.socket.disconnect(() => connection.connect());
});

showState(connection, byId("banner"));
connection.addEventListener("state", render);
fleet.addEventListener("change", render);
setInterval(render, 1_000); // the ages and the time that is left
fleet.join();
connection.connect();
render();
