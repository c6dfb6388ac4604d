"""The tracker: who is where, on all nodes, without a clock, a network or a loop. Protocol document, §6.6–6.8.

From the floor up: ``clocks`` and ``entry`` are words; ``delta`` is what one replica tells another, and the
theory of why that converges; ``generations`` keeps the last deltas; ``state`` is what one replica knows;
``replicas`` who lives; ``messages`` how it is written; ``shard`` the protocol, which is all that a shell needs.
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
