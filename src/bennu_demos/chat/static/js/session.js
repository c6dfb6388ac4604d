// Who is logged in. A cookie that no script can read keeps this browser logged in. The socket needs a token, which is valid
// for a few minutes: the page fetches the next one before the old one expires, and whenever the connection is lost.

export class Session extends EventTarget {
  me = null; // {id, name, is_moderator}
  token = "";
  #fetching = null;

  /** Fetch a token. The promise resolves to whether somebody is logged in, and rejects if the server can't be reached. */
  renew() {
    this.#fetching ??= ask("token", {})
      .then((answer) => this.#take(answer))
      .finally(() => (this.#fetching = null));
    return this.#fetching;
  }

  /** Log in, or make an account. The promise rejects with the reply of the server. */
  async enter(call, name, password) {
    this.#take(await ask(call, { name, password }));
  }

  async logOut() {
    await ask("logout", {});
    location.reload();
  }

  /** Keep the tokens of a connection fresh. */
  follow(connection) {
    const { socket } = connection;
    socket.onMessage(async ({ topic, event }) => {
      if (topic !== "phoenix" || event !== "token_expiring") return;
      if (!(await this.renew().catch(() => false))) return; // the connection ends with its token
      socket.push({ topic, event: "token", payload: { token: this.token }, ref: socket.makeRef() });
    });
    // If nobody is logged in any more, the page starts anew, with the dialog.
    const check = () => this.renew().then((isIn) => isIn || location.reload()).catch(() => {});
    socket.onClose(check);
    socket.onError(check);
  }

  #take(answer) {
    this.me = answer;
    this.token = answer?.token ?? "";
    return answer !== null;
  }
}

async function ask(call, body) {
  const response = await fetch(`api/${call}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw answer;
  return answer;
}
