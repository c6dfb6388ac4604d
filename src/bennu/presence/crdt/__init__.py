"""The CRDT of presences on all nodes, without a clock, a network or an event loop. Protocol document, §6.6–6.8.

From the bottom up:

- ``clocks`` and ``entry`` define the terms.
- ``delta`` is the message of one replica to another. Its docstring says why replicas converge.
- ``generations`` keeps the last deltas.
- ``state`` is the knowledge of one replica.
- ``replicas`` knows which replicas are alive.
- ``messages`` writes and reads messages between replicas.
- ``shard`` is the protocol; :mod:`bennu.presence.tracker` uses only it.
"""

from .clocks import Ref
from .entry import Diff, Entry
from .messages import Goodbye, Heartbeat, ShardMessage, TransferAck, TransferRequest, decode, encode
from .periods import Periods
from .replicas import ReplicaStatus
from .shard import Outcome, Send, Shard

__all__ = [
    "Diff",
    "Entry",
    "Goodbye",
    "Heartbeat",
    "Outcome",
    "Periods",
    "Ref",
    "ReplicaStatus",
    "Send",
    "Shard",
    "ShardMessage",
    "TransferAck",
    "TransferRequest",
    "decode",
    "encode",
]
