"""The life of a connection and of its channels: tasks, mailboxes, and how they end."""
