"""The cases of the Autobahn test suite 25.10.1, and the cases whose result need not be OK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

__all__ = ["COMPRESSION", "CORE", "INFORMATIONAL", "NON_STRICT", "QUICK"]

GROUPS: Final = """
1.1:8 1.2:8 2:11 3:7 4.1:5 4.2:5 5:20
6.1:3 6.2:4 6.3:2 6.4:4 6.5:5 6.6:11 6.7:4 6.8:2 6.9:4 6.10:3 6.11:5 6.12:8 6.13:5 6.14:10 6.15:1 6.16:3
6.17:5 6.18:5 6.19:5 6.20:7 6.21:8 6.22:34 6.23:7
7.1:6 7.3:6 7.5:1 7.7:13 7.9:9 7.13:2
9.1:6 9.2:6 9.3:9 9.4:9 9.5:6 9.6:6 9.7:6 9.8:6 10.1:1
12.1:18 12.2:18 12.3:18 12.4:18 12.5:18 13.1:18 13.2:18 13.3:18 13.4:18 13.5:18 13.6:18 13.7:18
"""
"""The number of cases of each group: 6.1:3 means 6.1.1 to 6.1.3."""


def _cases(*sections: int) -> Iterator[str]:
    for entry in GROUPS.split():
        group, _, count = entry.partition(":")
        if int(group.partition(".")[0]) in sections:
            yield from (f"{group}.{number}" for number in range(1, int(count) + 1))


CORE: Final = tuple(_cases(*range(1, 11)))
"""Cases of frames, pings, reserved bits, fragments, UTF-8, closing and sizes."""

QUICK: Final = tuple(_cases(*range(1, 9), 10))
"""The same cases without section 9, which sends messages of up to 16 MB."""

COMPRESSION: Final = tuple(_cases(12, 13))
"""Cases of permessage-deflate."""

INFORMATIONAL: Final = frozenset({"7.1.6", "7.13.1", "7.13.2"})
"""Cases without an answer in the RFC. The suite only records the result."""

NON_STRICT: Final = frozenset(
    {
        *("3.2", "3.3", "3.4"),
        *("4.1.3", "4.1.4", "4.1.5", "4.2.3", "4.2.4", "4.2.5"),
        "5.15",
        *("6.4.1", "6.4.2", "6.4.3", "6.4.4"),
    }
)
"""Cases in which a server can be less strict: it need not answer a message before a broken frame, nor detect invalid
UTF-8 before the end of the message.
"""
