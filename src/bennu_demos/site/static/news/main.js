// What is live on each page of the site. The pages work without it.

import { Connection, showState } from "/design/connection.js";
import { byId } from "/design/dom.js";
import { Bell } from "./bell.js";
import { followNews, localTimes } from "./news.js";

const { csrf, user } = document.body.dataset;
const connection = new Connection({ params: { _csrf_token: csrf } }); // proves that the page is of this site

localTimes();
showState(connection, byId("banner"));
followNews(connection.socket);
if (user) new Bell(connection.socket, user);
connection.connect();
