"""Reads the files of ``templates/``, and puts names into them.

``my_app`` stands for the package, also in paths, and ``My App`` for the title. A name that begins with ``dot.`` becomes a
hidden file: no tool takes it for its own while it is a template.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

__all__ = ["PACKAGE", "TITLE", "put_names", "read_layers", "read_template"]

TEMPLATES: Final = Path(__file__).parent / "templates"

PACKAGE: Final = "my_app"
TITLE: Final = "My App"

_DOT: Final = "dot."


def read_layers(layers: Sequence[str]) -> dict[PurePosixPath, str]:
    """Return the files of some layers, by their paths. A file of a later layer replaces that of an earlier one."""
    found: dict[PurePosixPath, str] = {}
    for layer in layers:
        found.update(_files_of(TEMPLATES / layer))
    return found


def read_template(path: str) -> str:
    """Return one file, by its path below ``templates/``."""
    return (TEMPLATES / path).read_text(encoding="utf-8")


def put_names(text: str, names: Mapping[str, str]) -> str:
    """Return a text with names in place of those of the template.

    Args:
        text: The text.
        names: What stands for each name. A name is replaced wherever it stands.

    Example:
        >>> put_names("from my_app.room import RoomChannel", {"my_app": "shop"})
        'from shop.room import RoomChannel'
    """
    for name, new in names.items():
        text = text.replace(name, new)
    return text


def _files_of(layer: Path) -> Iterator[tuple[PurePosixPath, str]]:
    for path in sorted(layer.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            parts = [
                f".{part.removeprefix(_DOT)}" if part.startswith(_DOT) else part
                for part in path.relative_to(layer).parts
            ]
            yield PurePosixPath(*parts), path.read_text(encoding="utf-8")
