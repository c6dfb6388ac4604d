"""Brokers for tests, benchmarks and fault scripts: each starts servers of its own on free ports, and stops them."""
