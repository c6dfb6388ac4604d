// What is live on each page of the shop. The pages work without it.

import { showState } from "/design/connection.js";
import { byId } from "/design/dom.js";
import { toast } from "/design/toast.js";
import { Live } from "./live.js";
import { followOrders, followStaff } from "./orders.js";
import { followStock } from "./stock.js";

const { csrf, user } = document.body.dataset;
const live = new Live(csrf);

showState(live, byId("banner"));

const shop = followStock(live.socket);
shop.on("notice", ({ text }) => {
  byId("notice-text").textContent = text;
  byId("notice").hidden = false;
});
byId("notice-close").addEventListener("click", () => (byId("notice").hidden = true));

if (user) {
  followOrders(live.socket, user, {
    onMove: ({ id, state }) => toast(`Order ${id} was ${state}.`),
    onRefused: () => (byId("logged-out").hidden = false),
  });
}
if (byId("all-orders")) followStaff(live.socket, csrf);
live.connect();
