"""The user's functions, types and options: Bennu reads, checks and calls them."""
