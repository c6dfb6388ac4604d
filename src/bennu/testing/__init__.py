"""What an application, or an adapter for a bus, needs for its tests. It needs pytest."""
