"""``bennu run --workers``."""
