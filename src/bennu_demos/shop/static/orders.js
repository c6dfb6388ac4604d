// The orders of the customer on each page, and those of all customers on the page of the staff.

import { byId, element } from "/design/dom.js";

const STEPS = ["placed", "packed", "shipped"];
const money = (cents) => `€ ${(cents / 100).toFixed(2)}`;

/** Follow the customer's orders. `onMove` is called when an order gets its next state while the page is open. */
export function followOrders(socket, user, { onMove, onRefused }) {
  const channel = socket.channel(`user:${user}`);
  channel.on("orders", ({ orders }) => orders.toReversed().forEach(showOwn));
  channel.on("order", (order) => {
    showOwn(order);
    onMove(order);
  });
  channel.join().receive("error", () => {
    channel.leave(); // phoenix.js would try again and again
    onRefused();
  });
}

/** Follow the orders of all customers. */
export function followStaff(socket, csrf) {
  const channel = socket.channel("staff");
  const show = (order) => showRow(byId("all-orders"), order, () => staffRow(order, csrf));
  channel.on("orders", ({ orders }) => orders.toReversed().forEach(show));
  channel.on("order", show);
  channel.join().receive("error", () => channel.leave());
}

function showOwn(order) {
  const page = byId("order");
  if (page && Number(page.dataset.order) === order.id) {
    page.dataset.state = order.state;
    for (const step of page.querySelectorAll("[data-step]")) {
      if (step.dataset.step === order.state) step.setAttribute("aria-current", "step");
      else step.removeAttribute("aria-current");
    }
  }
  if (byId("orders")) showRow(byId("orders"), order, () => ownRow(order));
}

/** Show an order in a list, the newest first. */
function showRow(list, order, make) {
  const row = list.querySelector(`[data-order="${Number(order.id)}"]`);
  byId("no-orders").hidden = true;
  if (!row) return list.prepend(make());
  const state = row.querySelector(".state");
  // News that come late, after the list, must not set an order back.
  if (STEPS.indexOf(order.state) <= STEPS.indexOf(state.dataset.state)) return;
  state.dataset.state = order.state;
  state.textContent = order.state;
  const button = row.querySelector("button");
  if (button) button.disabled = order.state === "shipped";
}

const stateOf = ({ state }) => element("span", { class: "state", "data-state": state }, state);

function itemsOf({ items }) {
  const parts = items.flatMap(({ amount, name }, index) => [`${index ? ", " : ""}${amount} × `, element("bdi", {}, name)]);
  return element("span", { class: "items" }, ...parts);
}

const ownRow = (order) =>
  element(
    "li",
    { class: "row", "data-order": order.id },
    element("a", { class: "what", href: `/orders/${order.id}` }, `Order ${order.id}`, itemsOf(order)),
    stateOf(order),
    element("span", { class: "price" }, money(order.cents)),
  );

function staffRow(order, csrf) {
  const button = element("button", { class: "primary", "aria-label": `Ship order ${order.id}` }, "Ship");
  button.disabled = order.state === "shipped";
  return element(
    "li",
    { class: "row", "data-order": order.id },
    element("span", { class: "what" }, `${order.id} · `, element("bdi", {}, order.customer), itemsOf(order)),
    stateOf(order),
    element(
      "form",
      { method: "post", action: `/staff/orders/${order.id}/ship` },
      element("input", { type: "hidden", name: "_csrf_token", value: csrf }),
      button,
    ),
  );
}
