from __future__ import annotations

import re

import pytest
from hypothesis import given, strategies as st

from bennu.bus.nats.subjects import is_prefix, subject


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_becomes_one_token_of_limited_length(channel: str) -> None:
    assert re.fullmatch(rb"chat\.[th][A-Za-z0-9_-]*", subject("chat", channel))
    assert len(subject("chat", channel)) < 256


@given(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text(st.characters(exclude_categories=["Cs"])),
)
def test_two_channels_have_two_subjects(one: str, two: str) -> None:
    assert (subject("chat", one) == subject("chat", two)) == (one == two)


def test_long_channels_that_differ_at_the_end_have_two_subjects() -> None:
    subjects = {subject("chat", "x" * length) for length in (180, 181, 182, 65_599, 65_600)}
    assert len(subjects) == 5
    assert {len(one) for one in subjects} == {5 + 241, 5 + 44}


@pytest.mark.parametrize("text", ["bennu", "a.b.c", "A-1_b", "x" * 100])
def test_a_prefix(text: str) -> None:
    assert is_prefix(text)


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", "a b", "a.*", ">", "ä", "x" * 101])
def test_no_prefix(text: str) -> None:
    assert not is_prefix(text)
