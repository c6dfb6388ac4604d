"""The event loop of an endpoint, and the threads and processes beside it."""
