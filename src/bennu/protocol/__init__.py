"""The protocol as data and functions, docs/protocol.md: no event loop, no socket, no clock, no randomness."""

from .json_v1 import JSONV1
from .json_v2 import JSONV2
from .serializer import Serializer
from .vsn import negotiate

__all__ = ["JSONV1", "JSONV2", "Serializer", "negotiate"]
