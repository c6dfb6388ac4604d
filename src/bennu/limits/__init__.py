"""Limits that are off until set: how many clients may connect, and how fast each may send."""

from .limits import Limits, Rates, Threads
from .rate import Rate

__all__ = ["Limits", "Rate", "Rates", "Threads"]
