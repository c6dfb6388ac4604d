// What is live on each page of the shop. The pages work without it.

import { Connection, showState } from "/design/connection.js";
import { byId } from "/design/dom.js";
import { toast } from "/design/toast.js";
import { followOrders, followStaff } from "./orders.js";
import { followStock } from "./stock.js";

const { csrf, user } = document.body.dataset;
const connection = new Connection({ params: { _csrf_token: csrf } }); // proves that the page is of this site

showState(connection, byId("banner"));

const shop = followStock(connection.socket);
shop.on("notice", ({ text }) => {
  byId("notice-text").textContent = text;
  byId("notice").hidden = false;
});
byId("notice-close").addEventListener("click", () => (byId("notice").hidden = true));

if (user) {
  followOrders(connection.socket, user, {
    onMove: ({ id, state }) => toast(`Order ${id} was ${state}.`),
    onRefused: () => (byId("logged-out").hidden = false),
  });
}
if (byId("all-orders")) followStaff(connection.socket, csrf);
connection.connect();
