// The links of documents. What follows "#" is not sent to the server, so no log has a key.
//
//   document.html#ID       for reading
//   document.html#ID.KEY   for writing

/** The document that everybody has. The server creates it: app.py. */
export const WELCOME = { id: "KA1Eqx6febXM4t1PWPX-", key: "welcome" };

/** The id and the key in an address; the key is "" in a link for reading. */
export function linkIn(hash) {
  const [id, key = ""] = hash.replace(/^#/, "").split(".");
  return { id, key };
}

/** The link to a document, as an address of this site. */
export function linkTo({ id, key }) {
  return new URL(`document.html#${id}${key ? `.${key}` : ""}`, document.baseURI).href;
}
