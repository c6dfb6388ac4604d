"""Shows the metrics of an endpoint live in the terminal: ``bennu top``.

Two scrapes make figures (:mod:`.scrape`, :mod:`.figures`), and figures make lines (:mod:`.screen`). These are pure.
"""

from .figures import TopFigures, figures_of
from .live import run_live, run_once, run_plain
from .scrape import MetricsScrape, NoMetrics
from .scraper import Scraper

__all__ = [
    "MetricsScrape",
    "NoMetrics",
    "Scraper",
    "TopFigures",
    "figures_of",
    "run_live",
    "run_once",
    "run_plain",
]
