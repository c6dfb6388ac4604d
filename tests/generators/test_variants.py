"""New projects: their files, names and style. tests/generators/test_variants_run.py runs them."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bennu.generators.names import MAX_NAME, ProjectName
from bennu.generators.templates import PACKAGE, TITLE
from bennu.generators.variants import VARIANTS, commands, project_files

from .project import Project, call

SHOP = ProjectName.parse("shop")


@pytest.mark.parametrize("option", VARIANTS)
@pytest.mark.parametrize("name", ["a", "shop", "long_" * (MAX_NAME // 5 - 1) + "names"])
def test_the_style_is_right_whatever_the_name(tmp_path: Path, option: str, name: str) -> None:
    """Neither a short nor a long name changes the order of imports or where a line breaks."""
    call("new", str(tmp_path / name), *([f"--{option}"] if option else []))
    Project(tmp_path / name).check_style()


@pytest.mark.parametrize("option", VARIANTS)
def test_no_name_of_a_template_is_left(option: str) -> None:
    for file in project_files(SHOP, VARIANTS[option]):
        assert PACKAGE not in f"{file.path}{file.content}"
        assert TITLE not in file.content
        assert "dot." not in str(file.path)


@pytest.mark.parametrize("option", VARIANTS)
def test_the_readme_has_two_commands(option: str) -> None:
    variant = VARIANTS[option]
    install, serve = commands(project_files(SHOP, variant))
    assert install.startswith("pip install -e '.[dev]'")
    assert serve == f"bennu run {variant.target.replace(PACKAGE, 'shop')} --reload"


@pytest.mark.parametrize("option", VARIANTS)
def test_each_file_that_the_readme_names_is_there(option: str) -> None:
    files = {str(file.path): file.content for file in project_files(SHOP, VARIANTS[option])}
    named = [part for part in files["README.md"].split("`") if part.startswith("shop/")]
    assert named
    assert not [one for one in named if not any(path.startswith(one) for path in files)]


@pytest.mark.parametrize("option", VARIANTS)
def test_each_project_has_its_own_secret_which_git_ignores(tmp_path: Path, option: str) -> None:
    call("new", str(tmp_path / "shop"), *([f"--{option}"] if option else []))
    one = (tmp_path / "shop/.env").read_text()
    call("new", str(tmp_path / "shop2"), *([f"--{option}"] if option else []))
    assert one != (tmp_path / "shop2/.env").read_text()
    assert stat.S_IMODE((tmp_path / "shop/.env").stat().st_mode) == 0o600
    secret = one.split("SECRET_KEY=")[1].strip()
    others = [
        path for path in (tmp_path / "shop").rglob("*") if path.is_file() and path.name != ".env"
    ]
    assert not [path for path in others if secret in path.read_text()]
    ignored = (tmp_path / "shop/.gitignore").read_text().splitlines()
    assert ".env" in ignored
    assert (tmp_path / "shop/.dockerignore").read_text().splitlines()[1] == "*"


@pytest.mark.parametrize("option", VARIANTS)
def test_hadolint_has_no_complaint(tmp_path: Path, option: str) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("no hadolint: run scripts/install")
    call("new", str(tmp_path / "shop"), *([f"--{option}"] if option else []))
    done = subprocess.run(
        [hadolint, tmp_path / "shop/Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_templates_are_in_the_wheel() -> None:
    """The wheel has every file of the package: no pattern of .gitignore matches a template."""
    templates = Path(sys.modules["bennu.generators"].__path__[0]) / "templates"
    done = subprocess.run(
        ["git", "status", "--porcelain", "--ignored", templates],
        cwd=templates,
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("no repository of git")
    ignored = [line for line in done.stdout.splitlines() if line.startswith("!!")]
    assert not [line for line in ignored if "__pycache__" not in line]
