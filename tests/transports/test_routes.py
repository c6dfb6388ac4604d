"""The socket that a path leads to (protocol, §1.1)."""

from __future__ import annotations

from typing import Any

import pytest

from bennu.channel import Channel
from bennu.errors import DefinitionError
from bennu.origin_check import OriginCheck
from bennu.protocol.origin import Origin, Requested
from bennu.socket import Socket
from bennu.transports.routes import Routes

ANYBODY = OriginCheck(False)
HERE = Requested("http", "example.com", 80)


class Room(Channel):
    """A channel without handlers."""


def socket(**options: Any) -> Socket[None]:
    """Return a socket that accepts all clients."""
    return Socket(connect=lambda: None, channels={"room:*": Room}, **options)


def find(routes: Routes, path: str, root_path: str = "") -> tuple[str, dict[str, str]] | None:
    """Return the mount and the variables that a path leads to."""
    target = routes.find({"path": path, "root_path": root_path})
    return None if target is None else (target.mount, dict(target.variables))


@pytest.mark.parametrize("mount", ["/socket", "/ws/admin", "socket", "/socket/", "/", ""])
def test_a_socket_is_found_below_its_mount_under_websocket(mount: str) -> None:
    """The mount can have several segments, or none."""
    routes = Routes({mount: socket()}, ANYBODY)

    assert find(routes, f"{mount}/websocket") == (mount, {})


@pytest.mark.parametrize(
    "path", ["/socket/websocket/", "//socket/websocket", "/socket//websocket", "socket/websocket"]
)
def test_empty_segments_are_ignored(path: str) -> None:
    """A trailing slash matches too."""
    assert find(Routes({"/socket": socket()}, ANYBODY), path) == ("/socket", {})


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "/socket",
        "/websocket",
        "/socket/websocket/x",
        "/x/socket/websocket",
        "/Socket/websocket",
    ],
)
def test_other_paths_lead_nowhere(path: str) -> None:
    """They belong to the rest of the application."""
    assert find(Routes({"/socket": socket()}, ANYBODY), path) is None


@pytest.mark.conformance("WS049")
def test_the_path_below_the_mount_may_be_another_and_nested() -> None:
    """Then ``websocket`` is no special path."""
    routes = Routes({"/ws": socket(path="nested/path")}, ANYBODY)

    assert find(routes, "/ws/nested/path") == ("/ws", {})
    assert find(routes, "/ws/websocket") is None


def test_both_parts_of_the_path_may_hold_variables() -> None:
    """Each variable matches one whole segment."""
    routes = Routes({"/ws/{user_id}": socket(path="project/{project_id}")}, ANYBODY)

    assert find(routes, "/ws/7/project/a b") == (
        "/ws/{user_id}",
        {"user_id": "7", "project_id": "a b"},
    )
    assert find(routes, "/ws/7/project") is None
    assert find(routes, "/ws/7/other/x") is None


def test_a_variable_that_begins_with_an_underscore_is_not_exposed() -> None:
    """The variable matches, but is no parameter."""
    routes = Routes({"/{_region}/{tenant}": socket()}, ANYBODY)

    assert find(routes, "/eu/acme/websocket") == ("/{_region}/{tenant}", {"tenant": "acme"})


def test_a_path_of_plain_text_goes_before_one_with_variables() -> None:
    """The order of declaration has no effect. Among variables the first match wins."""
    routes = Routes({"/{a}": socket(), "/{b}": socket(path="{x}"), "/live": socket()}, ANYBODY)

    assert find(routes, "/live/websocket") == ("/live", {})
    assert find(routes, "/other/websocket") == ("/{a}", {"a": "other"})
    assert find(routes, "/other/x") == ("/{b}", {"b": "other", "x": "x"})


@pytest.mark.parametrize(
    ("root_path", "path", "found"),
    [
        ("/rt", "/rt/socket/websocket", True),
        ("/rt/", "/rt/socket/websocket", True),
        ("/", "/socket/websocket", True),
        ("/rt", "/socket/websocket", True),
        ("/rt", "/rtsocket/websocket", False),
        ("/rt", "/rt", False),
        ("", "/rt/socket/websocket", False),
        ("/api/rt", "/api/rt/socket/websocket", True),
        ("/api/rt", "/rt/socket/websocket", True),
        ("/api/rt/", "/rt/socket/websocket", True),
        ("/a/b/c/d", "/c/d/socket/websocket", True),
        ("/a/b/c/d", "/b/c/d/socket/websocket", True),
        ("/a/b/c/d", "/a/b/c/d/socket/websocket", True),
        ("/a/b", "/socket/websocket", True),
        ("/a/b", "/a/socket/websocket", False),
        ("/a/b", "/bsocket/websocket", False),
        ("/a/b", "/b", False),
    ],
)
def test_the_path_is_relative_to_the_root_path(root_path: str, path: str, found: bool) -> None:
    """So a mounted endpoint need not know its mount. Servers differ in whether the path includes the root path."""
    routes = Routes({"/socket": socket()}, ANYBODY)

    assert find(routes, path, root_path) == (("/socket", {}) if found else None)


def test_a_scope_without_a_root_path_is_at_the_root() -> None:
    """The key is optional in ASGI."""
    target = Routes({"/socket": socket()}, ANYBODY).find({"path": "/socket/websocket"})

    assert target is not None
    assert target.mount == "/socket"


@pytest.mark.conformance("OR003", "OR022")
async def test_a_sockets_own_origins_go_before_those_of_the_endpoint() -> None:
    """Two mounts have separate lists, in any order of use."""
    routes = Routes(
        {
            "/a": socket(check_origin=["//a.org"]),
            "/b": socket(check_origin=["//b.org"]),
            "/default": socket(),
        },
        OriginCheck(["//endpoint.org"]),
    )

    async def allowed(mount: str, host: str) -> bool:
        target = routes.find({"path": f"{mount}/websocket"})
        assert target is not None
        return await target.origin_check.fits(Origin.parse(f"https://{host}"), HERE)

    for _ in range(2):
        assert (await allowed("/a", "a.org"), await allowed("/a", "b.org")) == (True, False)
        assert (await allowed("/b", "a.org"), await allowed("/b", "b.org")) == (False, True)
        assert (await allowed("/default", "endpoint.org"), await allowed("/a", "endpoint.org")) == (
            True,
            False,
        )


def test_what_is_no_socket_is_refused() -> None:
    """The error shows the mounted object, and what to write."""
    nothing: Any = object()

    with pytest.raises(DefinitionError) as raised:
        Routes({"/socket": nothing}, ANYBODY)

    assert raised.value.subject == 'Endpoint(sockets={"/socket": ...})'
    assert raised.value.got == repr(nothing)


@pytest.mark.parametrize("mount", ["/ws/x{a}", "/ws/{a}x", "/ws/{1}", "/ws/{}", "/ws/{a", "/ws/a}"])
def test_a_variable_that_is_no_whole_segment_is_refused(mount: str) -> None:
    """Such a variable would match nothing, or not what its author expects."""
    with pytest.raises(DefinitionError) as raised:
        Routes({mount: socket()}, ANYBODY)

    assert raised.value.subject == f'the path "{mount}/websocket" of a socket'


@pytest.mark.parametrize(
    ("first", "second"), [("/socket", "/socket/"), ("/{a}", "/{a}/"), ("/a", "//a")]
)
def test_two_sockets_under_one_path_are_refused(first: str, second: str) -> None:
    """Only one of them could be found."""
    with pytest.raises(DefinitionError) as raised:
        Routes({first: socket(), second: socket()}, ANYBODY)

    assert raised.value.got == "two sockets under it"


def test_a_channel_that_can_not_work_is_found_when_its_socket_is_mounted() -> None:
    """The channel classes are read then, when every module is loaded."""
    broken = Socket(connect=lambda: None, channels={"room:{room_id}": Room})

    with pytest.raises(DefinitionError, match="room_id"):
        Routes({"/socket": broken}, ANYBODY)


def test_a_socket_may_be_for_polling_alone() -> None:
    """Then the endpoint does not have the WebSocket's path."""
    routes = Routes(
        {"/socket": socket(websocket=False, longpoll=True), "/other": socket()}, ANYBODY
    )

    assert find(routes, "/socket/longpoll") == ("/socket", {})
    assert find(routes, "/socket/websocket") is None
    assert routes.described == "/other/websocket"


def test_the_paths_of_websockets_are_described_for_the_log() -> None:
    """The text has the variables, or says that there are none."""
    assert Routes({}, ANYBODY).described == "none"
    routes = Routes({"/socket/": socket(), "/ws/{user}": socket(path="x")}, ANYBODY)
    assert routes.described == "/socket/websocket, /ws/{user}/x"


@pytest.mark.parametrize(
    "options",
    [
        {"websocket": False},
        {"websocket": False, "longpoll": False},
        {"websocket": 0, "longpoll": True},
    ],
    ids=str,
)
def test_a_socket_has_one_way_at_least(options: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError) as raised:
        socket(**options)

    assert raised.value.write == "websocket=False, longpoll=True"
