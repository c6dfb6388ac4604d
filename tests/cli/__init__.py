"""``bennu run``: the server it starts, and the command itself."""
