"""Lines of the log: printable, bounded, and without secrets."""
