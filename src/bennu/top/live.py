"""Runs ``bennu top``: in a terminal with keys, and as text or JSON for scripts."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from .figures import TopFigures, figures_json, figures_of
from .scrape import MetricsScrape, NoMetrics
from .scraper import Scraper
from .screen import screen_of
from .table_rows import TopSort

__all__ = ["run_live", "run_once", "run_plain"]

SIGWINCH: Final = getattr(signal, "SIGWINCH", None)
"""The signal of a terminal that has another size; None on Windows."""

CLOSED: Final = "\x04"
"""The key of a terminal that is closed: Ctrl-D."""

FRAME: Final = 4
"""Lines of a screen for the title, the keys, and the blank lines beside them."""


async def run_once(scraper: Scraper, interval: float, *, as_json: bool) -> None:
    """Print the figures of one interval.

    Args:
        scraper: Fetches the metrics.
        interval: Seconds between the two scrapes.
        as_json: Whether JSON is printed.

    Raises:
        NoMetrics: The metrics could not be read.
    """
    before = await scraper.scrape()
    await asyncio.sleep(interval)
    _print(figures_of(before, await scraper.scrape()), as_json=as_json)


async def run_plain(scraper: Scraper, interval: float, *, as_json: bool) -> None:
    """Print the figures of each interval, as blocks of text or lines of JSON, until the command is ended.

    An answer that fails after the first one is told on standard error, and asked for again.

    Raises:
        NoMetrics: The first scrape failed.
    """
    before = await scraper.scrape()
    is_first = True
    while True:
        await asyncio.sleep(interval)
        try:
            now = await scraper.scrape()
        except NoMetrics as error:
            print(error, file=sys.stderr, flush=True)  # noqa: T201
            continue
        if not is_first and not as_json:
            print()  # noqa: T201
        _print(figures_of(before, now), as_json=as_json)
        before, is_first = now, False


def _print(figures: TopFigures, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(figures_json(figures)), flush=True)  # noqa: T201
        return
    console = Console(width=None if sys.stdout.isatty() else 100, highlight=False)
    console.print(screen_of(figures))


class _Screen:
    """The screen of a terminal, and what the keys have chosen.

    Args:
        scraper: Fetches the metrics.
        interval: Seconds between two scrapes.
        console: The terminal.
    """

    def __init__(self, scraper: Scraper, interval: float, console: Console) -> None:
        self._scraper = scraper
        self._interval = interval
        self._console = console
        self._order = TopSort.RATE
        self._figures: TopFigures | None = None
        self._failure: str | None = None
        self._live = Live(self._draw(), console=console, screen=True, auto_refresh=False)
        self.is_over = asyncio.Event()

    async def run(self, before: MetricsScrape) -> None:
        """Draw the figures of each interval, until ``q`` or Ctrl-C.

        Args:
            before: The first scrape.
        """
        loop = asyncio.get_running_loop()
        with self._live, _keys(self._key):
            for number, call in ((signal.SIGINT, self.is_over.set), (SIGWINCH, self.draw)):
                if number is not None:
                    with suppress(NotImplementedError):  # Windows
                        loop.add_signal_handler(number, call)
            self.draw()
            scraping = asyncio.create_task(self._follow(before))
            over = asyncio.create_task(self.is_over.wait())
            done, _ = await asyncio.wait((scraping, over), return_when=asyncio.FIRST_COMPLETED)
            over.cancel()
            scraping.cancel()
            if scraping in done:  # a mistake of ours
                scraping.result()

    async def _follow(self, before: MetricsScrape) -> None:
        while sys.stdout.isatty():  # a terminal that is closed is none any more
            await asyncio.sleep(self._interval)
            try:
                now = await self._scraper.scrape()
            except NoMetrics as error:
                self._failure = str(error)
            else:
                self._failure = None
                self._figures = figures_of(before, now)
                before = now
            self.draw()

    def _key(self, key: str) -> None:
        if key in ("q", "Q", "\x03", "\x04"):
            self.is_over.set()
        elif key in ("s", "S"):
            self._order = self._order.next
            self.draw()

    def draw(self) -> None:
        """Draw the screen."""
        self._live.update(self._draw(), refresh=True)

    def _draw(self) -> RenderableType:
        title = Table.grid(expand=True)
        title.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        title.add_column(no_wrap=True, justify="right")
        title.add_row(
            Text.assemble(("bennu top ", "bold"), self._scraper.url),
            Text(f"  every {self._interval:g} s", "dim"),
        )
        keys = Text.assemble(
            ("s", "bold"), f" sort: {self._order.value}   ", ("q", "bold"), " quit"
        )
        body: RenderableType = Text("The first figures come after one interval.", "dim")
        rows = self._console.height - FRAME
        failure = Text(self._failure or "", "bold red")
        if self._failure is not None:
            rows -= len(failure.wrap(self._console, self._console.width)) + 1
        if self._figures is not None:
            body = screen_of(self._figures, self._order, rows=rows)
        middle = (body,) if self._failure is None else (failure, "", body)
        return Group(title, "", *middle, "", keys)


async def run_live(scraper: Scraper, interval: float) -> None:
    """Show the figures in the terminal, until ``q`` or Ctrl-C.

    Args:
        scraper: Fetches the metrics.
        interval: Seconds between two scrapes.

    Raises:
        NoMetrics: The first scrape failed. Later failures are shown on the screen.
    """
    before = await scraper.scrape()
    with suppress(OSError):  # of a terminal that is closed
        await _Screen(scraper, interval, Console(highlight=False)).run(before)


@contextmanager
def _keys(tell: Callable[[str], None]) -> Generator[None]:
    """Call a function for each key, without waiting for a line. Where the system can't (Windows), Ctrl-C remains."""
    if sys.platform == "win32" or not sys.stdin.isatty():
        yield
        return
    import termios  # noqa: PLC0415 - Windows has none
    import tty  # noqa: PLC0415

    loop, number = asyncio.get_running_loop(), sys.stdin.fileno()
    saved = termios.tcgetattr(number)

    def read() -> None:
        try:
            keys = os.read(number, 64).decode("utf-8", "replace")
        except OSError:  # the terminal is gone
            keys = ""
        for key in keys or CLOSED:
            tell(key)

    tty.setcbreak(number)
    loop.add_reader(number, read)
    try:
        yield
    finally:
        loop.remove_reader(number)
        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(number, termios.TCSADRAIN, saved)
