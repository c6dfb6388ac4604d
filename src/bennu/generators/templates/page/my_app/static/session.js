// Who is signed in: the server says it, and gives a token for the socket.

export class Session {
  name = "";
  token = "";
  #csrf = "";
  #loading = null;

  /** Ask the server for the user and a new token. Without a user, go to the page for signing in. */
  load() {
    this.#loading ??= this.#load().finally(() => (this.#loading = null));
    return this.#loading;
  }

  async #load() {
    const response = await fetch("/session", { cache: "no-store" }).catch(() => null);
    if (response?.status === 401) location.assign("/login");
    if (!response?.ok) return false; // the server can't be reached: the next connect asks again
    ({ name: this.name, id: this.id, token: this.token, csrf: this.#csrf = "" } = await response.json());
    return true;
  }

  async signOut() {
    const response = await fetch("/session", {
      method: "DELETE",
      headers: { "X-CSRFToken": this.#csrf },
    });
    if (response.ok) location.assign("/login");
  }
}
