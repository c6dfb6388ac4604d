"""Attacks on a real server, and what its other clients notice of them.

    python -m benchmarks.attacks                    all of them, about ten minutes
    python -m benchmarks.attacks pings long_topics  these alone
    python -m benchmarks.attacks --write            and fill in the table of docs/security.md

Theory of operation
-------------------
Each attack gets a fresh `bennu run` of :mod:`.app`. Honest clients (:mod:`.honest`, a process of their own, at
127.0.0.2) send heartbeats, and newcomers connect and join. First they are measured while nobody attacks, then
during the attack (a process of its own, at 127.0.0.1, with a lower priority), and then until the server's memory
has come back. Two things are judged: how long the honest clients waited, and how much memory the server took.

- `attack`: what an attack is, and what it has to work with
- `client`: a WebSocket, a request and a flood, in plain sockets
- `texts`, `sizes`, `work`, `rooms`, `polling`, `requests`: the attacks, by what they exhaust
- `fight`: one run
- `report`: verdicts, and the table
"""
