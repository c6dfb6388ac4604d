"""Load tests that compare Bennu with a minimal server, the floor. See README.md."""
