"""Servers of other projects that do the same work: a room, in which each message goes to all members on all nodes.

They run in .venv-benchmarks (``benchmarks/install``), behind uvicorn with uvloop, each with its default settings.
"""
