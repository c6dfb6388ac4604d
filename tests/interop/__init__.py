"""Third-party clients, unmodified, against a running server."""
