"""Passes hold until their time, for their purpose, and with the same secret and password."""

from __future__ import annotations

import pytest

from bennu.dashboard.passes import Passes

OLD, NEW = b"the old secret of 20 bytes", b"the new secret of 20 bytes"


def test_a_pass_holds_until_its_time() -> None:
    passes = Passes([OLD], "password")
    text = passes.make("session", 1000.9)
    assert passes.until("session", text, 999) == 1000
    assert passes.until("session", text, 1000) is None


def test_a_pass_is_for_one_purpose() -> None:
    passes = Passes([OLD], "password")
    assert passes.until("socket", passes.make("session", 1000), 0) is None


def test_a_rotation_accepts_the_old_secret() -> None:
    text = Passes([OLD], None).make("socket", 1000)
    assert Passes([NEW, OLD], None).until("socket", text, 0) == 1000
    assert Passes([NEW], None).until("socket", text, 0) is None


def test_a_new_password_ends_all_passes() -> None:
    text = Passes([OLD], "one").make("session", 1000)
    assert Passes([OLD], "two").until("session", text, 0) is None
    assert Passes([OLD], None).until("session", text, 0) is None


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        ".",
        "1000",
        "1000.",
        "é.é",
        "-1.x",
        "9999999999999.x",
        "1e9.x",
        "\u0661.x",
        "nan.x",
    ],
)
def test_other_texts_are_no_passes(text: str | None) -> None:
    assert Passes([OLD], None).until("session", text, 0) is None


def test_no_character_can_be_changed() -> None:
    passes = Passes([OLD], None)
    text = passes.make("socket", 1_000_000)
    for place in range(len(text)):
        other = "A" if text[place] != "A" else "B"
        changed = f"{text[:place]}{other}{text[place + 1 :]}"
        assert passes.until("socket", changed, 0) is None
