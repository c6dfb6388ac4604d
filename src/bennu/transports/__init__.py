"""How bytes reach a connection: native WebSockets under our own server, ASGI under any other."""
