"""What several nodes cost, and what their buses do: see ``__main__.py``."""
