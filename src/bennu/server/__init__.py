"""The life of a connection and of its channels: tasks, inboxes, and how they end."""
