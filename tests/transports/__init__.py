"""Tests of single transports. ``tests/wire`` tests the behaviour that all transports share."""
