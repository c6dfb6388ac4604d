"""Tests that take minutes: `scripts/test-all` runs them."""
