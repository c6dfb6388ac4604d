"""Clients of topics with history under faults: each must end with every message, once and in order."""
