"""``bennu run``: the command, and the server that it starts."""
