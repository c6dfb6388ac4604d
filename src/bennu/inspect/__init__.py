"""The inspector's data: what it saw, recordings of connections, and their comparison with a replay.

``endpoint.inspector`` (:class:`~bennu.server.inspector.Inspector`) is the tap. docs/inspector.md has examples.
"""

from .follow import Follow
from .recorder import Recorder
from .recording import RecordedFrame, Recording
from .records import (
    BroadcastSeen,
    CloseSeen,
    ConnectSeen,
    FrameSeen,
    JoinSeen,
    LeaveSeen,
    SeenRecord,
)

__all__ = [
    "BroadcastSeen",
    "CloseSeen",
    "ConnectSeen",
    "Follow",
    "FrameSeen",
    "JoinSeen",
    "LeaveSeen",
    "RecordedFrame",
    "Recorder",
    "Recording",
    "SeenRecord",
]
