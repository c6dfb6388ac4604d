"""``bennu run --workers``: a supervisor, and the processes that serve."""

from .supervisor import Supervisor

__all__ = ["Supervisor"]
