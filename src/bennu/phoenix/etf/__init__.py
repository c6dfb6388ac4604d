"""Erlang's External Term Format, as far as tokens need it (protocol, §8.5).

Theory of operation. A term is a tag and what the tag says follows, after one version byte; containers
hold terms. :func:`encode` writes what OTP 26 and later write, so that equal data gives equal tokens.
:func:`decode` reads what any OTP wrote, and runs nothing of it: functions are refused.

=====================  ==============================  ==========================================
Erlang                 from Python                     to Python
=====================  ==============================  ==========================================
``nil``, true, false   None, True, False               None, True, False
another atom           :class:`Atom`                   :class:`Atom`; it is no symbol that stays
integer, float         int, float (finite)             int, float
binary                 str (as UTF-8), bytes           str if it is UTF-8, else bytes
list                   list                            list; so is a charlist, of ints
tuple                  tuple                           tuple
map                    dict                            dict
pid, port, reference,  :class:`Opaque`                 :class:`Opaque`
bitstring
=====================  ==============================  ==========================================

Small maps of OTP are sorted, so ours are; OTP 26 and later sort atoms by a number of their own, and
maps of more than 32 keys by a hash, and neither can be had here. Nothing of Python is an improper list
(``[1 | 2]``), or a map with two keys that are equal in Python (``1`` and ``1.0``) or that can't be
keys of a dict; they are refused.

Bytes that anybody may have sent are safe to decode: size, depth and decompression are bounded, and
what is made of one byte is at most some hundred bytes.
"""

from .decoder import decode
from .encoder import encode
from .terms import MAX_DEPTH, MAX_SIZE, Atom, Opaque

__all__ = ["MAX_DEPTH", "MAX_SIZE", "Atom", "Opaque", "decode", "encode"]
