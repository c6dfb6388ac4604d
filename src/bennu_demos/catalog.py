"""The demos: what each shows, and where its application is. Nothing is imported, so that a missing package can be named."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["DEMOS", "NEEDED", "Demo"]


class Demo(NamedTuple):
    """A demo.

    Attributes:
        name: Its name in ``bennu demo NAME``, and the name of its package.
        title: Its title.
        text: Two sentences: what it shows.
    """

    name: str
    title: str
    text: str

    @property
    def app(self) -> str:
        """The target of ``bennu run``."""
        return f"bennu_demos.{self.name}.app:app"


DEMOS: Final = (
    Demo(
        "chat",
        "Chat",
        "Rooms, private rooms and direct messages, with who is there, who types and who has read. Each message comes once and"
        " in order, also to a page that was offline.",
    ),
    Demo(
        "ticker",
        "Stock ticker",
        "5,000 symbols whose prices change all the time; a page gets those that it shows. A slow page gets the latest prices,"
        " never a backlog.",
    ),
    Demo(
        "scoreboard",
        "Scoreboard",
        "Matches that are told as they happen. A page that joins late, or was offline, gets what it has missed.",
    ),
    Demo(
        "document",
        "Shared document",
        "Many people write in one text, and see each other's cursors. What somebody writes offline is merged later.",
    ),
    Demo(
        "board",
        "Task board",
        "Cards that everybody moves, by mouse, touch or keyboard, and sees move. The page shows a move at once, and takes it"
        " back if the server refuses it.",
    ),
    Demo(
        "game",
        "Arena",
        "A game for many players that the server computes twenty times a second. Each player gets what is near, as binary"
        " frames of a few hundred bytes.",
    ),
    Demo(
        "shop",
        "Shop with notifications",
        "A FastAPI shop whose pages show orders and stock live. Its handlers, a script and the command line send the news.",
    ),
    Demo(
        "site",
        "Django site with notifications",
        "A Django site with its own users and sessions. What is saved in its admin reaches all open pages.",
    ),
    Demo(
        "iot",
        "Devices",
        "Devices, which are programs in Python, send what they measure and get commands. The page shows where they are, and"
        " which of them are gone.",
    ),
)
"""All demos, in the order in which they are listed."""

NEEDED: Final = (
    "aiosqlite",
    "alembic",
    "argon2",
    "django",
    "fastapi",
    "fractional_indexing",
    "httpx",
    "itsdangerous",
    "jinja2",
    "pycrdt",
    "python_multipart",
    "sqlalchemy",
    "starlette",
)
"""The modules that the demos import, of the packages of ``bennu[demo]``."""
