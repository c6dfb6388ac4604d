// What is live on each page of the site. The pages work without it.

import { showState } from "/design/connection.js";
import { byId } from "/design/dom.js";
import { Bell } from "./bell.js";
import { Live } from "./live.js";
import { followNews, localTimes } from "./news.js";

const { csrf, user } = document.body.dataset;
const live = new Live(csrf);

localTimes();
showState(live, byId("banner"));
followNews(live.socket);
if (user) new Bell(live.socket, user);
live.connect();
