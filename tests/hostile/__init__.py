"""Clients that mean harm, over real sockets, against `bennu run`."""
