"""What each part consists of, and what is left to do."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from bennu import DefinitionError
from bennu.generators.names import ClassName
from bennu.generators.parts import (
    NewPart,
    TopicRefused,
    auth_part,
    channel_part,
    presence_part,
    socket_part,
)
from bennu.generators.place import find_place
from bennu.generators.writing import plan, write

ROOM = ClassName.parse("Room", "Channel")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project without a socket."""
    (tmp_path / "main.py").write_text("")
    return tmp_path


def put(root: Path, part: NewPart) -> None:
    write(root, plan(root, part.files), may_replace=lambda _: False, tell=lambda *_: None)


def paths(part: NewPart) -> list[str]:
    return sorted(str(one.path) for one in part.files)


def text_of(part: NewPart, path: str) -> str:
    [text] = [one.content for one in part.files if str(one.path) == path]
    ast.parse(text)
    return text


@pytest.mark.conformance("GE008")
def test_a_socket_comes_with_all_that_it_needs(root: Path) -> None:
    part = socket_part(find_place(root))
    modules = "__init__ endpoint presence secret_key socket tokens users"
    assert paths(part) == sorted(  # each once
        (
            ".env",
            ".gitignore",
            *(f"realtime/{module}.py" for module in modules.split()),
            "tests/test_socket.py",
        )
    )
    assert "channels={}," in text_of(part, "realtime/socket.py")
    assert "from realtime.socket import user_socket" in text_of(part, "tests/test_socket.py")
    assert "bennu run realtime.endpoint:endpoint" in part.steps[0]


@pytest.mark.conformance("GE001", "GE009")
def test_a_channel_is_added_to_the_socket(root: Path) -> None:
    put(root, socket_part(find_place(root)))
    part = channel_part(find_place(root), ROOM, "room:{room_id}:{part}")
    put(root, part)
    assert part.steps == ()
    assert (
        '        "room:{room_id}:{part}": RoomChannel,\n'
        in (root / "realtime/socket.py").read_text()
    )
    channel = (root / "realtime/room.py").read_text()
    assert "    room_id: int\n    part: str\n" in channel
    assert "class RoomChannel(Channel[User]):" in channel
    test = (root / "tests/test_room.py").read_text()
    assert 'join("room:1:part")' in test
    assert "from realtime.room import RoomChannel" in test


@pytest.mark.conformance("GE002", "GE003")
def test_a_channel_without_a_socket_says_where_it_goes(root: Path) -> None:
    part = channel_part(find_place(root), ROOM, "lobby")
    assert "bennu gen socket" in part.steps[0]
    assert "from realtime.room import RoomChannel" in part.steps[1]
    assert '"lobby": RoomChannel,' in part.steps[1]
    assert "PARAMETERS" not in text_of(part, "realtime/room.py")


def test_a_table_that_can_not_be_changed_is_left_alone(root: Path) -> None:
    put(root, socket_part(find_place(root)))
    put(root, channel_part(find_place(root), ROOM, "room:*"))
    part = channel_part(find_place(root), ClassName.parse("Big", "Channel"), "room:big:*")
    assert part.steps[0].endswith(
        'stays as it is: "room:*" gets all its topics: write it above "room:*".'
    )
    assert "realtime/socket.py" not in paths(part)


@pytest.mark.conformance("GE007")
def test_a_channel_that_is_there_is_added_by_its_user(root: Path) -> None:
    """The user may keep the old module, so the table stays as it is. The same command again changes nothing."""
    put(root, socket_part(find_place(root)))
    put(root, channel_part(find_place(root), ROOM, "room:{room_id}"))
    before = (root / "realtime/socket.py").read_text()
    part = channel_part(find_place(root), ROOM, "hall:{hall_id}")
    assert "socket.py stays as it is: realtime/room.py was there before" in part.steps[0]
    again = channel_part(find_place(root), ROOM, "room:{room_id}")
    assert 'the table has "room:{room_id}" already' in again.steps[0]
    put(root, part)
    put(root, again)
    assert (root / "realtime/socket.py").read_text() == before


@pytest.mark.parametrize(
    ("topic", "example"),
    [("room:*", "room:1"), ("file:{path_id:path}", "file:path_id"), ("lobby", "lobby")],
)
def test_the_test_joins_a_topic_of_the_pattern(root: Path, topic: str, example: str) -> None:
    part = channel_part(find_place(root), ROOM, topic)
    assert f'join("{example}")' in text_of(part, "tests/test_room.py")


@pytest.mark.parametrize(
    ("topic", "said"),
    [
        ("room:{topic}", "write for example 'room:{my_topic}'"),
        ("room:{say}", "each channel has 'say' already"),
        ("room:{class}", "write for example 'room:{my_class}'"),
        ('room:"', "without quotes"),
        ("room:\n", "printable characters"),
        ("room:\\", "without quotes"),
    ],
)
def test_a_topic_that_makes_no_channel_is_refused(root: Path, topic: str, said: str) -> None:
    with pytest.raises(TopicRefused) as raised:
        channel_part(find_place(root), ROOM, topic)
    assert said in str(raised.value)


def test_a_pattern_is_checked_as_a_socket_checks_it(root: Path) -> None:
    with pytest.raises(DefinitionError, match="a star and parameters"):
        channel_part(find_place(root), ROOM, "room:{room_id}:*")


def test_one_more_socket_has_its_own_module(root: Path) -> None:
    part = socket_part(find_place(root), ClassName.parse("Admin", "Socket"))
    assert "admin_socket = Socket(" in text_of(part, "realtime/admin_socket.py")
    assert "from realtime.admin_socket import admin_socket" in text_of(
        part, "tests/test_admin_socket.py"
    )
    assert '"/admin": admin_socket,' in part.steps[0]
    assert "realtime/endpoint.py" not in paths(part)


@pytest.mark.conformance("GE015")
def test_presences_and_tokens_say_how_they_are_used(root: Path) -> None:
    place = find_place(root)
    assert "Endpoint(..., presence=presence)" in presence_part(place).steps[0]
    assert "realtime/presence.py" in paths(presence_part(place))
    assert "issue(User(id, name))" in auth_part(place).steps[0]
    assert {"realtime/tokens.py", "tests/test_tokens.py"} < set(paths(auth_part(place)))


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, ".env\n"), ("*.pyc", "*.pyc\n.env\n"), ("*.pyc\n", "*.pyc\n.env\n"), ("/.env\n", None)],
)
def test_git_ignores_the_secret(root: Path, before: str | None, after: str | None) -> None:
    if before is not None:
        (root / ".gitignore").write_text(before)
    part = auth_part(find_place(root))
    found = [one.content for one in part.files if str(one.path) == ".gitignore"]
    assert found == ([] if after is None else [after])
    assert ".env" in paths(part)


def test_a_secret_that_is_there_stays(root: Path) -> None:
    (root / ".env").write_text("SECRET_KEY=mine\n")
    assert ".env" not in paths(auth_part(find_place(root)))


def test_django_has_its_own_secret(root: Path) -> None:
    (root / "manage.py").write_text('setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")')
    part = socket_part(find_place(root))
    assert "settings.SECRET_KEY" in text_of(part, "realtime/secret_key.py")
    assert ".env" not in paths(part)
    assert "application = endpoint.wrap(pages)" in part.steps[0]


def test_fastapi_mounts_the_endpoint(root: Path) -> None:
    (root / "main.py").write_text("app = FastAPI()\n")
    step = socket_part(find_place(root)).steps[0]
    assert step.startswith("Mount the endpoint in main.py.")
    assert 'app.mount("/rt", endpoint)' in step
