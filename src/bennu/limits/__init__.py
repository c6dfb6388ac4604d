"""Limits that are off until set: how many clients can connect, and how fast each can send."""

from .limits import Limits, Rates, Threads
from .rate import Rate

__all__ = ["Limits", "Rate", "Rates", "Threads"]
