"""The protocol as data and functions: no event loop, no socket, no clock, no randomness."""
