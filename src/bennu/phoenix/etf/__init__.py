"""Erlang's External Term Format: the part that tokens need (protocol, §8.5).

Theory of operation. After one version byte, a term is a tag and the data of that tag. Containers hold terms.
:func:`encode` writes the same bytes as OTP 26 and later, so equal data gives equal tokens. :func:`decode` reads the terms
of each OTP. It runs no code: functions are refused.

=====================  ==============================  ==========================================
Erlang                 from Python                     to Python
=====================  ==============================  ==========================================
``nil``, true, false   None, True, False               None, True, False
another atom           :class:`Atom`                   :class:`Atom`
integer, float         int, float (finite)             int, float
binary                 str (as UTF-8), bytes           str if it is UTF-8, else bytes
list                   list                            list; so is a charlist, of ints
tuple                  tuple                           tuple
map                    dict                            dict
pid, port, reference,  :class:`Opaque`                 :class:`Opaque`
bitstring
=====================  ==============================  ==========================================

OTP and Bennu sort small maps. OTP 26 and later sort atoms by an internal number, and maps of more than 32 keys by a hash.
Bennu does not know this number and this hash. Python has no improper lists (``[1 | 2]``). A dict can't have keys that are
equal in Python (``1`` and ``1.0``) or not hashable. Such terms are refused.

It is safe to decode bytes of a client. Size, depth and decompression are limited, and one byte becomes at most some
hundred bytes of memory.
"""

from .decoder import decode
from .encoder import encode
from .terms import MAX_DEPTH, MAX_SIZE, Atom, Opaque

__all__ = ["MAX_DEPTH", "MAX_SIZE", "Atom", "Opaque", "decode", "encode"]
