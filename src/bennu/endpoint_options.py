"""What the options of an endpoint can be."""

from __future__ import annotations

from typing import Final

from .api import Api
from .dashboard import Dashboard
from .limits.limits import Limits, Threads
from .metrics import Metrics
from .telemetry import ParameterFilter
from .transports.pages import DevelopmentPages
from .user_code.options import TEXTS, Option, instance_of

__all__ = ["API", "DASHBOARD", "LIMITS", "METRICS", "PAGES", "THREADS", "WORDS"]

WORDS: Final = Option(
    "a list of words, or a ParameterFilter",
    lambda value: isinstance(value, ParameterFilter) or TEXTS.fits(value),
    '["password", "iban"]',
)
API: Final = instance_of(Api, "the HTTP API", 'Api(keys={"billing": os.environ["BILLING_KEY"]})')
DASHBOARD: Final = instance_of(
    Dashboard, "the dashboard", 'Dashboard(password=os.environ["DASHBOARD_PASSWORD"])'
)
LIMITS: Final = instance_of(
    Limits,
    "how many clients may connect",
    'Limits(connections=20_000, connects_per_ip="60/minute")',
)
THREADS: Final = instance_of(
    Threads, "how many worker threads there are", "Threads(handlers=32, per_connection=4)"
)
METRICS: Final = Option(
    "the path of the metrics, or a Metrics",
    lambda value: isinstance(value, str | Metrics),
    '"/metrics"',
)
PAGES: Final = Option(
    "the pages of a contract",
    lambda value: isinstance(value, DevelopmentPages),
    "ContractPages()",
)
