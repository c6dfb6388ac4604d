"""The Autobahn test suite against our frames: ``scripts/autobahn``, or ``python -m tests.autobahn``."""
