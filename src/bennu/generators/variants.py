"""The projects that ``bennu new`` can write: their layers of templates, and what differs between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from .names import ProjectName
from .secret import new_secret
from .templates import PACKAGE, TITLE, put_names, read_layers
from .writing import File

__all__ = [
    "BARE",
    "DJANGO",
    "FASTAPI",
    "STARLETTE",
    "VARIANTS",
    "Variant",
    "commands",
    "project_files",
]

Edit = tuple[str, str, str]
"""A path, a text in this file, and what stands there instead."""

_PYPROJECT: Final = "pyproject.toml"
_NO_STUBS: Final = """
[[tool.mypy.overrides]]
module = "django.*" # it has no types; install django-stubs if you want them
ignore_missing_imports = true
follow_untyped_imports = false
"""
_DJANGO_FILES: Final = """\
| `my_app/views.py` | the pages, and who is signed in |
| `my_app/settings.py`, `my_app/urls.py`, `my_app/asgi.py` | Django's settings, paths and application |
"""
_DJANGO_ACCOUNTS: Final = """\
- **Accounts** are Django's, and everybody can sign up. `python manage.py createsuperuser` makes one for `/admin/`.
- **The database** is a file of SQLite beside `manage.py`; the variable `DATABASE` names another file.
"""


@dataclass(frozen=True)
class Variant:
    """A kind of project.

    Attributes:
        option: Its option of ``bennu new``; empty for the default.
        layers: Folders of ``templates/``, the lowest first.
        edits: What differs in files of the layers.
        target: What ``bennu run`` serves, before names are put in.
    """

    option: str
    layers: tuple[str, ...]
    edits: tuple[Edit, ...]
    target: str = "my_app.app:app"


_README: Final = "README.md"
_DEPENDENCIES: Final = 'dependencies = ["bennu"]'
_DEV: Final = '"anyio>=4.12", '
_TARGET: Final = "my_app.app:app"

STARLETTE: Final = Variant(
    "",
    ("base", "page", "people", "starlette"),
    (
        (_PYPROJECT, _DEPENDENCIES, 'dependencies = ["bennu[starlette]", "starlette>=1.0"]'),
        (_PYPROJECT, _DEV, f'{_DEV}"httpx>=0.28", '),
    ),
)
FASTAPI: Final = Variant(
    "fastapi",
    ("base", "page", "people", "fastapi"),
    (
        (_PYPROJECT, _DEPENDENCIES, 'dependencies = ["bennu[starlette]", "fastapi>=0.120"]'),
        (_PYPROJECT, _DEV, f'{_DEV}"httpx>=0.28", '),
        ("Dockerfile", "/health/live", "/rt/health/live"),
        (
            _README,
            "the pages, and who is signed in |",
            "the routes, and who is signed in; `/docs` lists them |",
        ),
    ),
)
DJANGO: Final = Variant(
    "django",
    ("base", "page", "django"),
    (
        (_PYPROJECT, _DEPENDENCIES, 'dependencies = ["bennu", "django>=5.2"]'),
        (_PYPROJECT, 'files = ["my_app", "tests"]\n', f'files = ["."]\n{_NO_STUBS}'),
        (
            _README,
            "pip install -e '.[dev]'\n",
            "pip install -e '.[dev]' && python manage.py migrate\n",
        ),
        (_README, _TARGET, "my_app.asgi:application"),
        (_README, "sign in with two names", "sign up with two names"),
        (
            _README,
            "| `my_app/app.py` | the pages, and who is signed in |\n",
            _DJANGO_FILES,
        ),
        (
            _README,
            "- **Sign in.** Everybody can take any name. Replace `sign_in` in `my_app/app.py` by your own.\n",
            _DJANGO_ACCOUNTS,
        ),
        ("Dockerfile", _TARGET, "my_app.asgi:application"),
        (
            "Dockerfile",
            "PYTHONUNBUFFERED=1",
            "DJANGO_SETTINGS_MODULE=my_app.settings PYTHONUNBUFFERED=1",
        ),
    ),
    "my_app.asgi:application",
)
BARE: Final = Variant(
    "bare",
    ("base", "bare"),
    (("Dockerfile", _TARGET, "my_app.endpoint:endpoint"),),
    "my_app.endpoint:endpoint",
)

VARIANTS: Final = {variant.option: variant for variant in (STARLETTE, FASTAPI, DJANGO, BARE)}
"""All of them, by their options."""


def project_files(name: ProjectName, variant: Variant) -> list[File]:
    """Return the files of a new project, with a new secret.

    Args:
        name: The name of the project.
        variant: The kind of project.
    """
    texts = read_layers(variant.layers)
    for path, old, new in variant.edits:
        text = texts[PurePosixPath(path)]
        if old not in text:
            raise LookupError(f"the template {path} has no {old!r}")
        texts[PurePosixPath(path)] = text.replace(old, new)
    names = {PACKAGE: name.package, TITLE: name.title}
    files = [
        File(PurePosixPath(put_names(str(path), names)), put_names(text, names))
        for path, text in texts.items()
    ]
    env = f"# What must not be in git. In production set these variables.\nSECRET_KEY={new_secret()}\n"
    return [*files, File(PurePosixPath(".env"), env, is_secret=True, is_kept=True)]


def commands(files: Iterable[File]) -> list[str]:
    """Return the commands of a project's README: the first installs it, the second serves it."""
    [readme] = [file.content for file in files if str(file.path) == _README]
    return readme.split("```sh\n")[1].split("```")[0].splitlines()
