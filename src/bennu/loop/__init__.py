"""The event loop of an endpoint, its worker threads, and the server's other processes."""
