"""How long the parts of a message may be: limits that a socket sets."""

from __future__ import annotations

from ..errors import DecodeError
from ..message import bytes_of
from ..protocol.encoding import encode_json

__all__ = ["expect_short", "expect_short_ref"]


def expect_short_ref(ref: str, most: int) -> None:
    """Refuse a long ref, since it is kept and sent back.

    Raises:
        DecodeError: The ref has more than ``most`` bytes.
    """
    size = bytes_of(ref)
    if size > most:
        raise DecodeError(f"a ref has at most {most} bytes (Socket(max_ref_size=...)), got {size}")


def expect_short(name: str, value: object, most: int) -> None:
    """Refuse a long array or object, since it takes far more memory than its text.

    A long text gets an error reply later.

    Raises:
        DecodeError: The value has more than ``most`` bytes.
    """
    if isinstance(value, list | dict) and len(encode_json(value)) > most:
        raise DecodeError(f"a {name} is text of at most {most} bytes (Socket(max_{name}_size=...))")
