"""The load generator of ``bennu bench``: its plan, its two engines, and its table."""

from .engines import EngineUnavailable, choose_engine
from .limits import TooManyClients, raise_limits
from .plan import BenchPlan
from .result import BenchProgress, BenchResult
from .table import progress_line, result_table

__all__ = [
    "BenchPlan",
    "BenchProgress",
    "BenchResult",
    "EngineUnavailable",
    "TooManyClients",
    "choose_engine",
    "progress_line",
    "raise_limits",
    "result_table",
]
