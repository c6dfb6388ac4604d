"""The Autobahn test suite against Bennu's frames: ``scripts/autobahn``, or ``python -m tests.autobahn``."""
