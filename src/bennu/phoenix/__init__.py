"""What a Phoenix application beside Bennu reads and writes: its tokens, sessions and CSRF tokens."""
