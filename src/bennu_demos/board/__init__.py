"""A task board: lists of cards that several people move at the same time."""
