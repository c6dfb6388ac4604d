"""What the rules of the tests find in a module: frames by hand, a second configuration of Django."""

from __future__ import annotations

import pytest

from .sources import contents


@pytest.mark.parametrize(
    ("code", "is_found"),
    [
        ('expect(("1", "2", "room:1", "phx_reply", answer))', True),
        ('expect((None, None, topic, "news", {"n": 1}))', True),
        ('expect(["1", None, topic, "news", ok()])', True),
        ('client.send("1", None, "room:1", "news")', True),
        ("""send(b'["1", null, "room:1", "news", {}]')""", True),
        ("""send(f'["{ref}",{ref},"{topic}","news",{{}}]')""", True),
        ("""send('{"topic":"room:1","event":"phx_join"}')""", True),
        ('expect(reply("1", "2", "room:1", ok()))', False),
        ('def test() -> None:\n    """After a phx_close."""', False),
        ("""load('["one", "two"]')""", False),
    ],
)
def test_a_frame_by_hand_is_found(code: str, *, is_found: bool) -> None:
    assert contents(code).writes_frames is is_found


@pytest.mark.parametrize(
    ("code", "is_found"),
    [
        ("settings.configure()", True),
        ("django.conf.settings.configure(DEBUG=True)", True),
        ('PROGRAM = "settings.configure()"', False),
    ],
)
def test_a_configuration_of_django_is_found(code: str, *, is_found: bool) -> None:
    """In the test's own process; a program that the test runs has its own Django."""
    assert contents(code).configures_django is is_found
