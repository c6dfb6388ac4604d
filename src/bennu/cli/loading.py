"""Imports the endpoint or application of a command, and explains an import that fails."""

from __future__ import annotations

import ast
import importlib
import os
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import click

from ..endpoint import Endpoint
from ..errors import DefinitionError

__all__ = ["DEFAULT_TARGET", "import_from", "load"]

DEFAULT_TARGET: Final = "app:endpoint"

FILES: Final = 200
"""Python files that are searched for endpoints to suggest, at most."""
FILE_SIZE: Final = 200_000
"""Bytes of a file that is searched, at most."""
SUGGESTIONS: Final = 3

MAKERS: Final = ("Endpoint", "FastAPI", "Starlette", "wrap")
"""Functions and classes that make an application, the most likely first."""


def import_from(app_dir: str) -> str:
    """Let modules be imported from the folder of ``--app-dir``. Return its whole path."""
    folder = os.path.abspath(app_dir)
    sys.path.insert(0, folder)
    return folder


def load(target: str, *, folder: str, is_given: bool = True, command: str = "bennu run") -> Any:
    """Import a module, and return the endpoint or application in it.

    Args:
        target: ``module:name``.
        folder: The folder of the user's modules, for suggestions.
        is_given: Whether the user wrote the target; False for the default target.
        command: What stands before the target, for suggestions.

    Raises:
        click.ClickException: The import failed. The message has the reason, the place, and what to write.
    """
    module_name, colon, path = target.partition(":")
    is_file = module_name.endswith(".py") or module_name.startswith(".") or os.sep in module_name
    if not colon or not module_name or not path or is_file:
        likely = module_name.removesuffix(".py").replace(os.sep, ".").strip(".") or "app"
        raise click.ClickException(
            f"expected MODULE:ENDPOINT, got {target!r}: write for example {likely}:{path or 'endpoint'}"
        )
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if not _is_missing(module_name, error):
            raise click.ClickException(_failure(error)) from error
        raise click.ClickException(
            _no_module(target, module_name, folder, command, is_given=is_given)
        ) from error
    except DefinitionError as error:
        raise click.ClickException(f"{error}{_raised_at(error)}") from error
    except (Exception, SystemExit) as error:
        raise click.ClickException(_failure(error)) from error
    try:
        found: Any = module
        for name in path.split("."):
            found = getattr(found, name)
    except AttributeError as error:
        raise click.ClickException(f"{error}{_others(module, path, command)}") from error
    if not callable(found):
        raise click.ClickException(
            f"expected an Endpoint or an ASGI application, got {found!r}{_others(module, path, command)}"
        )
    return found


# Explaining an import that fails.


def _failure(error: BaseException) -> str:
    """Return the text of an error in the user's code, with the user's part of the traceback."""
    text = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    if isinstance(error, SyntaxError):
        text = f"{type(error).__name__}: {error}"
    elif isinstance(error, ModuleNotFoundError):
        text = str(error)
    elif isinstance(error, SystemExit):
        text = f"the module ended the process when it was imported: SystemExit: {error}"
    whole = traceback.TracebackException.from_exception(error)
    _keep_own(whole)
    return f"{text}{_raised_at(error)}\n\n{''.join(whole.format()).rstrip()}"


def _keep_own(whole: traceback.TracebackException) -> None:
    """Remove all frames that are not the user's from a traceback, also from its causes and groups."""
    waiting = [whole]
    while waiting:
        one = waiting.pop()
        own = [frame for frame in one.stack if _is_own(frame)]
        one.stack = traceback.StackSummary.from_list(own)
        waiting += [other for other in (one.__cause__, one.__context__) if other is not None]
        waiting += one.exceptions or ()


def _is_own(frame: traceback.FrameSummary) -> bool:
    ours = os.path.dirname(os.path.dirname(__file__))
    libraries = map(sysconfig.get_path, ("stdlib", "platstdlib", "purelib", "platlib"))
    return not frame.filename.startswith((ours, *libraries, "<frozen"))


def _raised_at(error: BaseException) -> str:
    """Return the last line of the user's code that led to an error."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_own(frame)]
    if not frames:
        return ""
    frame = frames[-1]
    return f"\n  raised at {frame.filename}:{frame.lineno}: {frame.line}"


# Suggestions.


def _is_missing(module_name: str, error: ModuleNotFoundError) -> bool:
    """Return whether the target's own module or package is missing, and not one that it imports."""
    return error.name is not None and f"{module_name}.".startswith(f"{error.name}.")


def _no_module(target: str, module_name: str, folder: str, command: str, *, is_given: bool) -> str:
    root = module_name.partition(".")[0]
    looked = f"no module {module_name!r} is in {folder}"
    if is_given:
        text = f"No module named {root!r}: {looked}"
    else:
        text = f"no MODULE:ENDPOINT was given, and {target} does not exist: {looked}"
    found = list(_candidates(Path(folder)))
    modules = [candidate.partition(":")[0] for candidate in found]
    near = get_close_matches(module_name, modules, 1)
    if near:
        found.sort(key=lambda candidate: candidate.partition(":")[0] != near[0])
    if not found:
        return (
            f"{text}\n  write: {command} MODULE:ENDPOINT, for example chat.web:endpoint, in the folder"
            " above the module, or with --app-dir FOLDER"
        )
    return text + "".join(f"\n  write: {command} {one}" for one in found[:SUGGESTIONS])


def _others(module: ModuleType, path: str, command: str) -> str:
    """Return suggestions of other endpoints and applications in a module."""
    found = {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_") and _can_serve(value)
    }
    near = get_close_matches(path, found, 1)
    names = sorted(
        found, key=lambda name: (name not in near, not isinstance(found[name], Endpoint))
    )
    return "".join(
        f"\n  write: {command} {module.__name__}:{name}    ({type(found[name]).__name__})"
        for name in names
    )


def _can_serve(value: object) -> bool:
    if isinstance(value, Endpoint):
        return True
    kinds = {kind.__name__ for kind in type(value).__mro__}
    return bool(kinds & {"Starlette", "ASGIHandler"})


def _candidates(folder: Path) -> Iterator[str]:
    """Yield probable endpoints and applications in the modules of a folder, without importing the modules."""
    files = [*sorted(folder.glob("*.py")), *sorted(folder.glob("[!.]*/*.py"))][:FILES]
    found: list[tuple[int, str]] = []
    for file in files:
        module = ".".join(file.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
        found += [(rank, f"{module}:{name}") for rank, name in _made_in(file)]
    for _, candidate in sorted(found, key=lambda one: one[0]):
        yield candidate


def _made_in(file: Path) -> Iterator[tuple[int, str]]:
    try:
        if file.stat().st_size > FILE_SIZE:
            return
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return
    for statement in tree.body:
        targets: list[ast.expr] = []
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        else:
            continue
        made = statement.value
        if not isinstance(made, ast.Call):
            continue
        function = made.func
        maker = getattr(function, "attr", None) or getattr(function, "id", None)
        if maker in MAKERS:
            for target in targets:
                if isinstance(target, ast.Name):
                    yield MAKERS.index(maker), target.id
