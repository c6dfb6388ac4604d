"""Prints a token for a client that you try out.

    python -m my_app Ann

In production the server that knows your users calls ``issue`` in ``tokens.py``. Or it
signs such a token itself: each Phoenix application with the same secret can.
"""

from __future__ import annotations

import sys

from .tokens import MAX_AGE, issue
from .users import User


def main() -> None:
    """Print a token for the user whose name is the argument."""
    if len(sys.argv) != 2:
        sys.exit("expected the name of a user, such as Ann")
    name = sys.argv[1]
    print(issue(User(name.lower(), name)))
    print(f"The token is valid for {MAX_AGE // 60} minutes.", file=sys.stderr)


if __name__ == "__main__":
    main()
