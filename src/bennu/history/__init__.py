"""Topics with history: entries in one order, and what a client has missed."""
