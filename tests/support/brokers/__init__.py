"""Brokers that tests and fault scripts start, each on free ports, and stop by process id."""
