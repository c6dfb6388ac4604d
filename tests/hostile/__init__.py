"""Hostile clients, over real sockets, against `bennu run`."""
