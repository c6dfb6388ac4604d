"""The page that leads to all demos."""
