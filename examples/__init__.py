"""Programs that show what Bennu is for."""
