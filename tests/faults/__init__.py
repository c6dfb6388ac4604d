"""Faults of nodes, brokers and networks under load, with every message accounted for: ``scripts/faults``."""
