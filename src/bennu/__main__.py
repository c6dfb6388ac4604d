"""``python -m bennu`` is ``bennu``."""

from .cli import main

main()
