"""The protocol (docs/protocol.md) as pure functions and data: no event loop, socket, clock or randomness."""

from .json_v1 import JSONV1
from .json_v2 import JSONV2
from .serializer import Serializer
from .vsn import negotiate

__all__ = ["JSONV1", "JSONV2", "Serializer", "negotiate"]
