"""Attacks on a real server, and what its other clients notice of them.

    python -m benchmarks.attacks                    run all attacks, about 20 minutes
    python -m benchmarks.attacks pings long_topics  run only these
    python -m benchmarks.attacks --write            run all, and write the table of docs/security.md

Theory of operation
-------------------
Each attack gets a fresh `bennu run` of :mod:`.app`. Honest clients (:mod:`.honest`, a separate process, at
127.0.0.2) send heartbeats, and new clients connect and join. Their delays are measured before the attack, during the
attack, and then until the server's memory has shrunk again. The attacker is a separate process, at 127.0.0.1, with a
lower priority. The verdict is about two things: the delays of the honest clients, and the memory of the server.

- `attack`: an attack, and the means that it can use
- `client`: a WebSocket, a request and a flood, in plain sockets
- `texts`, `sizes`, `work`, `rooms`, `polling`, `requests`: the attacks, grouped by what they exhaust
- `fight`: one run
- `report`: verdicts, and the table
"""
