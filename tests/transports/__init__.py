"""The transports, each for what it does alone; what all have in common is in ``tests/wire``."""
