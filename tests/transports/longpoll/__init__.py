"""Long polling, request by request."""
