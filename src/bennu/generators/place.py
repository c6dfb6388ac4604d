"""Where the parts of ``bennu gen`` belong in a project: one of ``bennu new``, or any other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from ..errors import BennuError

__all__ = ["PlaceUnknown", "ProjectPlace", "find_place"]

NEW_PACKAGE: Final = "realtime"
"""The package for the parts in a project that has no socket yet."""

FILES: Final = 2_000
"""Python files of a project that are looked at, at most."""
FILE_SIZE: Final = 200_000

_SKIPPED: Final = frozenset(
    {"node_modules", "site-packages", "tests", "test", "docs", "build", "dist", "venv", "env"}
)
_SOCKET: Final = re.compile(
    r"^from bennu import [^#\n]*\bSocket\b|^from bennu import \([^)]*\bSocket\b", re.MULTILINE
)
_MAKES_SOCKET: Final = re.compile(r"\bSocket\(")
_FASTAPI: Final = re.compile(r"^\w+(: *\w+)? *= *(fastapi\.)?FastAPI\(", re.MULTILINE)


class PlaceUnknown(BennuError):
    """The project has no place, or several, for the parts. The message says what to write."""


@dataclass(frozen=True)
class ProjectPlace:
    """Where parts belong in a project.

    Attributes:
        root: The folder of the project.
        package: The package of the parts, as a folder below the root.
        module: The name of that package in an import.
        has_socket: Whether the package has a ``socket.py`` with a socket.
        is_django: Whether the project is one of Django.
        fastapi: The file in which the project makes its FastAPI application; None if there is none.
    """

    root: Path
    package: PurePosixPath
    module: str
    has_socket: bool
    is_django: bool
    fastapi: PurePosixPath | None

    @property
    def tests(self) -> PurePosixPath:
        """The folder of the tests, below the root."""
        return PurePosixPath("tests")


def find_place(root: Path, package: str | None = None) -> ProjectPlace:
    """Return where parts belong in a project.

    That is the package that has a socket in ``socket.py``. Without one it is the new package ``realtime``: inside the
    only package of the project, or at its top.

    Args:
        root: The folder of the project.
        package: The name of the package, if the user has given one: ``shop.live``.

    Raises:
        PlaceUnknown: There is no project, or there are several packages with a socket.
    """
    texts = dict(_texts(root))
    if not texts:
        raise PlaceUnknown(
            f"expected a project with Python files, got none in {root}: change into the folder of yours,"
            " or write bennu new my_app"
        )
    top = PurePosixPath("src") if _packages(texts, PurePosixPath("src")) else PurePosixPath()
    chosen = _choose(texts, top) if package is None else top / PurePosixPath(*_parts(package))
    manage = texts.get(PurePosixPath("manage.py"), "")
    fastapi = next((path for path, text in texts.items() if _FASTAPI.search(text)), None)
    return ProjectPlace(
        root,
        chosen,
        ".".join(chosen.relative_to(top).parts),
        has_socket=_has_socket(texts.get(chosen / "socket.py", "")),
        is_django="DJANGO_SETTINGS_MODULE" in manage,
        fastapi=fastapi,
    )


def _choose(texts: dict[PurePosixPath, str], top: PurePosixPath) -> PurePosixPath:
    found = [
        path.parent
        for path, text in texts.items()
        if path.name == "socket.py" and _has_socket(text)
    ]
    if len(found) > 1:
        names = ", ".join(".".join(one.relative_to(top).parts) for one in found)
        raise PlaceUnknown(
            f"several packages have a socket ({names}): write --package with one of them"
        )
    if found:
        return found[0]
    is_django = PurePosixPath("manage.py") in texts  # its packages stand beside manage.py
    packages = [] if is_django else _packages(texts, top)
    return packages[0] / NEW_PACKAGE if len(packages) == 1 else top / NEW_PACKAGE


def _parts(package: str) -> list[str]:
    parts = package.split(".")
    if not all(part.isidentifier() for part in parts):
        raise PlaceUnknown(
            f"expected the name of a package, got {package!r}: write for example --package shop.live"
        )
    return parts


def _has_socket(text: str) -> bool:
    return bool(_SOCKET.search(text) and _MAKES_SOCKET.search(text))


def _packages(texts: dict[PurePosixPath, str], top: PurePosixPath) -> list[PurePosixPath]:
    """Return the packages right below a folder, without the parts."""
    found = [
        path.parent for path in texts if path.name == "__init__.py" and path.parent.parent == top
    ]
    return sorted(one for one in found if one.name != NEW_PACKAGE)


def _texts(root: Path) -> Iterator[tuple[PurePosixPath, str]]:
    """Yield the Python files of a project, by their paths; the shortest paths first."""
    waiting = [root]
    seen = 0
    while waiting:
        folder = waiting.pop(0)
        for path in sorted(folder.iterdir()):
            if path.name.startswith(".") or path.name in _SKIPPED or path.is_symlink():
                continue
            if path.is_dir():
                if not (path / "pyvenv.cfg").exists():
                    waiting.append(path)
            elif path.suffix == ".py" and seen < FILES and path.stat().st_size <= FILE_SIZE:
                seen += 1
                yield (
                    PurePosixPath(path.relative_to(root).as_posix()),
                    path.read_text("utf-8", "replace"),
                )
