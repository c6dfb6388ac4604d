"""Where parts belong in a project that is there."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from bennu.generators.place import PlaceUnknown, ProjectPlace, find_place

SOCKET = "from bennu import Rates, Socket\n\nsocket = Socket(connect=None, channels={})\n"


def project(root: Path, **files: str) -> Path:
    """Write a project: ``shop__app="..."`` is shop/app.py."""
    for name, text in files.items():
        path = root / f"{name.replace('__', '/')}.py".replace("//init/.py", "/__init__.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def package(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name / "__init__.py").touch()
    return root


def found(root: Path, given: str | None = None) -> tuple[str, str, bool]:
    place = find_place(root, given)
    return str(place.package), place.module, place.has_socket


def test_parts_go_beside_the_socket(tmp_path: Path) -> None:
    package(tmp_path, "shop", "shop/live")
    project(tmp_path, shop__live__socket=SOCKET, shop__app="")
    assert found(tmp_path) == ("shop/live", "shop.live", True)


def test_a_socket_of_something_else_is_none(tmp_path: Path) -> None:
    package(tmp_path, "shop")
    project(tmp_path, shop__socket="import socket\n\ns = socket.socket()\n")
    assert found(tmp_path) == ("shop/realtime", "shop.realtime", False)


def test_the_only_package_gets_a_package(tmp_path: Path) -> None:
    package(tmp_path, "shop", "tests", "docs")
    assert found(tmp_path) == ("shop/realtime", "shop.realtime", False)


def test_so_does_one_below_src(tmp_path: Path) -> None:
    package(tmp_path, "src/shop")
    assert found(tmp_path) == ("src/shop/realtime", "shop.realtime", False)


@pytest.mark.parametrize("names", [(), ("shop", "lib")])
def test_else_the_package_is_at_the_top(tmp_path: Path, names: tuple[str, ...]) -> None:
    project(package(tmp_path, *names), main="")
    assert found(tmp_path) == ("realtime", "realtime", False)


def test_a_second_part_goes_where_the_first_went(tmp_path: Path) -> None:
    package(tmp_path, "shop", "realtime")
    assert found(tmp_path)[0] == "shop/realtime"
    project(tmp_path, realtime__socket=SOCKET)
    assert found(tmp_path) == ("realtime", "realtime", True)


def test_the_user_chooses(tmp_path: Path) -> None:
    package(tmp_path, "src/shop")
    assert found(tmp_path, "shop.live") == ("src/shop/live", "shop.live", False)
    with pytest.raises(
        PlaceUnknown, match=r"got 'shop/live': write for example --package shop\.live"
    ):
        find_place(tmp_path, "shop/live")


def test_two_sockets_need_a_choice(tmp_path: Path) -> None:
    project(tmp_path, a__socket=SOCKET, b__socket=SOCKET)
    with pytest.raises(PlaceUnknown, match=r"\(a, b\): write --package"):
        find_place(tmp_path)
    assert found(tmp_path, "b") == ("b", "b", True)


def test_a_folder_without_python_is_no_project(tmp_path: Path) -> None:
    (tmp_path / "README.md").touch()
    with pytest.raises(PlaceUnknown, match="or write bennu new my_app"):
        find_place(tmp_path)


def test_django_is_known_by_its_manage_py(tmp_path: Path) -> None:
    package(tmp_path, "shop")
    project(tmp_path, manage='os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")')
    place = find_place(tmp_path)
    assert place.is_django
    assert str(place.package) == "realtime"


@pytest.mark.parametrize(
    "line", ["app = FastAPI()", "app: FastAPI = fastapi.FastAPI(title='Shop')"]
)
def test_fastapi_is_known_by_its_application(tmp_path: Path, line: str) -> None:
    project(tmp_path, main=f"{line}\n")
    assert find_place(tmp_path).fastapi == PurePosixPath("main.py")


def test_environments_are_not_searched(tmp_path: Path) -> None:
    project(tmp_path, main="", env2__lib__socket=SOCKET, node_modules__x__socket=SOCKET)
    (tmp_path / "env2" / "pyvenv.cfg").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    place: ProjectPlace = find_place(tmp_path)
    assert not place.has_socket
