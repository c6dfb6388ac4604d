"""The parts that ``bennu gen`` writes: channels, sockets, presences, tokens."""

from __future__ import annotations

import keyword
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from ..channel import Channel
from ..errors import BennuError
from ..topic import Pattern
from .names import ClassName
from .place import ProjectPlace
from .secret import new_secret
from .socket_table import NotAdded, add_channel
from .steps import (
    ADD_CHANNEL,
    ADD_PRESENCE,
    ADD_SOCKET,
    FIRST_CHANNEL,
    MOUNT_IN_FASTAPI,
    NO_SOCKET,
    NOT_ADDED,
    READ_USER,
    SERVE_ALONE,
    SHOW_USER,
    TRACK_USERS,
    WRAP_DJANGO,
)
from .templates import PACKAGE, put_names, read_template
from .writing import File

__all__ = ["NewPart", "TopicRefused", "auth_part", "channel_part", "presence_part", "socket_part"]

_ROOM: Final = '{\n        "room:{room}": RoomChannel,\n    }'
_ROOM_IMPORT: Final = "from .room import RoomChannel\n"
_SECRET_MODULE: Final = "secret_key.py"  # noqa: S105 - the name of a module
_INIT: Final = '"""The realtime part: a socket and its channels, with Bennu."""\n'
_ENV: Final = PurePosixPath(".env")
_IGNORED: Final = PurePosixPath(".gitignore")


class TopicRefused(BennuError):
    """A pattern of topics can't be used for a new channel. The message says what to write."""


@dataclass(frozen=True)
class NewPart:
    """What a command writes.

    Attributes:
        files: The files.
        steps: What is left to do, each a sentence or lines of code.
    """

    files: tuple[File, ...]
    steps: tuple[str, ...]


def channel_part(place: ProjectPlace, name: ClassName, topic: str) -> NewPart:
    """Return a channel and its test. If the package has a socket, the channel is added to its table.

    Args:
        place: Where the part belongs.
        name: The name of the channel.
        topic: The pattern of its topics: ``room:{room_id}``.

    Raises:
        DefinitionError: The text is no pattern.
        TopicRefused: A parameter of the pattern can't be an attribute of a channel.
    """
    _expect_plain(topic)
    pattern = Pattern(topic)
    types = {one.name: _type_of(one.name, rest=one.rest) for one in pattern.parameters}
    _expect_attributes(topic, types)
    names = {  # the user's own texts come last, so that nothing is replaced in them
        "Thing": name.stem,
        ".thing": f".{name.module}",
        PACKAGE: place.module,
        "    PARAMETERS\n": "".join(f"    {one}: {kind}\n" for one, kind in types.items()),
        "EXAMPLE": _example(pattern, types),
        "TOPIC": topic,
    }
    files = [
        _own(place, "parts/thing.py", names, as_name=f"{name.module}.py"),
        _test(place, "parts/test_thing.py", names, as_name=f"test_{name.module}.py"),
        *_needed(place, "users.py"),
    ]
    steps: list[str] = []
    socket = place.package / "socket.py"
    if place.has_socket:
        try:
            new = _with_channel(place, files[0], name, topic)
        except NotAdded as error:
            steps.append(NOT_ADDED.format(path=socket, reason=error))
        else:
            files.append(File(socket, new, is_edit=True))
            return NewPart(tuple(files), ())
    else:
        steps.append(NO_SOCKET)
    steps.append(
        ADD_CHANNEL.format(module=place.module, name=name.module, channel=name.cls, topic=topic)
    )
    return NewPart(tuple(files), tuple(steps))


def _with_channel(place: ProjectPlace, channel: File, name: ClassName, topic: str) -> str:
    """Return the text of the socket with one more channel.

    Raises:
        NotAdded: The table can't be changed, or the channel may stay what it is: the user decides.
    """
    path = place.root / channel.path
    if path.exists() and path.read_text("utf-8") != channel.content:
        raise NotAdded(f"{channel.path} was there before")
    source = (place.root / place.package / "socket.py").read_text("utf-8")
    return add_channel(source, topic, name.module, name.cls)


def socket_part(place: ProjectPlace, name: ClassName | None = None) -> NewPart:
    """Return a socket with a check of tokens, and what it needs.

    Args:
        place: Where the part belongs.
        name: The name of one more socket; None for the first one, which gets an endpoint as well.
    """
    text = read_template("base/my_app/socket.py")
    if _ROOM not in text or _ROOM_IMPORT not in text:
        raise LookupError("the template of the socket has no room")
    text = text.replace(_ROOM, "{}").replace(_ROOM_IMPORT, "")
    stem = "user" if name is None else name.module
    module = "socket" if name is None else "_".join((name.module, "socket"))
    names = {
        "my_app.socket": f"{place.module}.{module}",
        "user_socket": "_".join((stem, "socket")),
        PACKAGE: place.module,
    }
    files = [
        File(place.package / f"{module}.py", put_names(text, names)),
        _test(place, "parts/test_socket.py", names, as_name=f"test_{module}.py"),
        *_secret(place),
    ]
    needed = ["users.py", "secret_key.py", "tokens.py"]
    if name is not None:
        steps = [ADD_SOCKET.format(module=place.module, name=name.module)]
    else:
        files.append(_own(place, "base/my_app/endpoint.py", names))
        needed.append("presence.py")
        steps = [_mounting(place), SHOW_USER.format(module=place.module), FIRST_CHANNEL.format()]
    return NewPart((*files, *_needed(place, *needed)), tuple(steps))


def presence_part(place: ProjectPlace) -> NewPart:
    """Return a presence: who is in a topic."""
    files = (
        _own(place, "base/my_app/presence.py", {PACKAGE: place.module}),
        *_needed(place, "users.py"),
    )
    steps = tuple(step.format(module=place.module) for step in (ADD_PRESENCE, TRACK_USERS))
    return NewPart(files, steps)


def auth_part(place: ProjectPlace) -> NewPart:
    """Return tokens: how a page shows the socket who the user is."""
    names = {PACKAGE: place.module}
    files = (
        _own(place, "base/my_app/tokens.py", names),
        _test(place, "base/tests/test_tokens.py", names),
        *_needed(place, "users.py", "secret_key.py"),
        *_secret(place),
    )
    steps = tuple(step.format(module=place.module) for step in (SHOW_USER, READ_USER))
    return NewPart(files, steps)


def _mounting(place: ProjectPlace) -> str:
    """Return how the endpoint becomes a part of the application."""
    if place.is_django:
        return WRAP_DJANGO.format(module=place.module)
    if place.fastapi is not None:
        return MOUNT_IN_FASTAPI.format(module=place.module, path=place.fastapi)
    return SERVE_ALONE.format(module=place.module)


def _secret(place: ProjectPlace) -> list[File]:
    """Return a file with a secret that git ignores. Django has its own secret."""
    if place.is_django or (place.root / _ENV).exists():
        return []
    env = File(_ENV, f"SECRET_KEY={new_secret()}\n", is_secret=True, is_kept=True)
    path = place.root / _IGNORED
    ignored = path.read_text("utf-8") if path.exists() else ""
    if any(line.strip() in {".env", "/.env", ".env*", "*.env"} for line in ignored.splitlines()):
        return [env]
    end = "" if not ignored or ignored.endswith("\n") else "\n"
    return [env, File(_IGNORED, f"{ignored}{end}.env\n", is_edit=True)]


# The files of a part


def _own(
    place: ProjectPlace, template: str, names: dict[str, str], *, as_name: str | None = None
) -> File:
    """Return a file of the package."""
    path = place.package / (as_name or PurePosixPath(template).name)
    return File(path, put_names(read_template(template), names))


def _test(
    place: ProjectPlace, template: str, names: dict[str, str], *, as_name: str | None = None
) -> File:
    """Return a file of the tests. The order of its imports depends on the name of the module."""
    path = place.tests / (as_name or PurePosixPath(template).name)
    lines = put_names(read_template(template), names).splitlines(keepends=True)
    own = [number for number, line in enumerate(lines) if line.startswith(f"from {place.module}.")]
    for number, line in zip(own, sorted(lines[number] for number in own), strict=True):
        lines[number] = line
    return File(path, "".join(lines))


def _needed(place: ProjectPlace, *modules: str) -> list[File]:
    """Return modules that a part imports. Those that are there stay as they are."""
    templates = {
        one: f"parts/django_{one}"
        if place.is_django and one == _SECRET_MODULE
        else f"base/my_app/{one}"
        for one in modules
    }
    names = {PACKAGE: place.module}
    needed = [
        File(place.package / one, put_names(read_template(template), names), is_kept=True)
        for one, template in templates.items()
    ]
    return [File(place.package / "__init__.py", _INIT, is_kept=True), *needed]


# Topics


def _type_of(parameter: str, *, rest: bool) -> str:
    """Return the type of a parameter: a number for an id, else text."""
    return "int" if parameter.endswith("_id") and not rest else "str"


def _example(pattern: Pattern, types: dict[str, str]) -> str:
    """Return a topic of a pattern."""
    if pattern.is_prefix:
        return f"{pattern.prefix}1"
    topic = pattern.text
    for name, kind in types.items():
        value = "1" if kind == "int" else name
        topic = topic.replace(f"{{{name}}}", value).replace(f"{{{name}:path}}", value)
    return topic


def _expect_plain(topic: str) -> None:
    """Refuse a pattern that can't stand between quotes."""
    if not topic.isprintable() or '"' in topic or "\\" in topic:
        raise TopicRefused(
            f"expected a pattern of printable characters, without quotes, got {topic!r}:"
            ' write for example "room:{room_id}"'
        )


def _expect_attributes(topic: str, types: dict[str, str]) -> None:
    for name in types:
        if hasattr(Channel, name) or name == "say" or keyword.iskeyword(name):
            raise TopicRefused(
                f"{topic!r}: {{{name}}} becomes an attribute of the channel, and each channel has"
                f" {name!r} already: write for example {topic.replace(name, f'my_{name}')!r}"
            )
