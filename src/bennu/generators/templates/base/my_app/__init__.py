"""My App: a realtime application with Bennu."""
