"""Writes the lines of the log: printable, bounded in length and number, and without secrets."""
