"""From messages to frames and back: the V1 and V2 JSON serializers of Phoenix."""

from .base import Serializer
from .json_v1 import JSONV1
from .json_v2 import JSONV2
from .vsn import negotiate

__all__ = ["JSONV1", "JSONV2", "Serializer", "negotiate"]
