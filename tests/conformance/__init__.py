"""Behaviours of the check-list that belong to no single module."""
