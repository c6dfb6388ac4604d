// The articles, live: new ones appear, corrected ones change, withdrawn ones go.

import { byId, element, isolated } from "/design/dom.js";

const TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** Show the times of the page in the reader's own time zone. */
export function localTimes(root = document) {
  for (const time of root.querySelectorAll("time")) time.textContent = TIME.format(new Date(time.dateTime));
}

/** Follow what the page shows: the list of articles, or one article. */
export function followNews(socket) {
  const [list, story] = [byId("articles"), byId("story")];
  if (!list && !story) return;
  const channel = socket.channel(list ? "news" : `article:${story.dataset.id}`);
  const page = list ? new Front(list) : new Story(story);
  channel.on("articles", ({ articles }) => page.replace(articles));
  channel.on("article", (article) => page.show(article));
  channel.on("removed", ({ id }) => page.remove(id));
  channel.join();
}

/** The list of articles, the newest first. */
class Front {
  constructor(list) {
    this.list = list;
  }

  replace(articles) {
    const ids = new Set(articles.map(({ id }) => String(id)));
    for (const item of [...this.list.children]) if (!ids.has(item.dataset.id)) item.remove();
    for (const article of articles) this.show(article, { isNews: false });
    this.#count();
  }

  show(article, { isNews = true } = {}) {
    const old = this.list.querySelector(`[data-id="${Number(article.id)}"]`);
    const item = card(article);
    if (old) {
      if (old.textContent.replace(/\s+/g, " ").trim() === item.textContent.replace(/\s+/g, " ").trim()) return;
      old.replaceWith(item);
    } else {
      const time = ({ lastElementChild }) => new Date(lastElementChild.dateTime);
      const older = [...this.list.children].find((other) => time(other) < time(item));
      this.list.insertBefore(item, older ?? null);
    }
    if (isNews) item.classList.add("fresh");
    if (isNews && !old) byId("said").textContent = `New article: ${isolated(article.title)}`;
    this.#count();
  }

  remove(id) {
    this.list.querySelector(`[data-id="${Number(id)}"]`)?.remove();
    this.#count();
  }

  #count() {
    byId("no-articles").hidden = this.list.children.length > 0;
  }
}

function card({ id, section, title, summary, published_at: published }) {
  const item = element(
    "li",
    { class: "card", "data-id": id },
    element("p", { class: "section", dir: "auto" }, section),
    element("h2", { dir: "auto" }, element("a", { href: `/articles/${id}/` }, title)),
    element("p", { class: "summary", dir: "auto" }, summary),
    element("time", { datetime: published }),
  );
  localTimes(item);
  return item;
}

/** The page of one article. */
class Story {
  constructor(article) {
    this.article = article;
  }

  show({ section, title, summary, body }) {
    byId("withdrawn").hidden = true;
    const texts = body.split(/\r?\n(?:\r?\n)+/).filter((text) => text.trim());
    const changes = [
      [this.article.querySelector(".section"), section],
      [this.article.querySelector("h1"), title],
      [this.article.querySelector(".summary"), summary],
    ].filter(([part, text]) => part.textContent !== text);
    for (const [part, text] of changes) part.textContent = text;
    const words = (text) => text.replace(/\s+/g, " ").trim();
    const hasNewText = words(byId("text").textContent) !== words(body);
    if (hasNewText) byId("text").replaceChildren(...texts.map((text) => element("p", {}, text)));
    if (changes.length || hasNewText) byId("corrected").hidden = false;
  }

  remove() {
    byId("withdrawn").hidden = false;
  }
}
