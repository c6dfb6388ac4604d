"""The load generator of ``bennu bench``: its plan, its two engines, and its table."""
