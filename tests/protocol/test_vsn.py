"""The serializer that a ``vsn`` selects (protocol, §1.5)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from bennu.protocol import JSONV1, JSONV2, negotiate
from bennu.protocol.vsn import DEFAULT_VSN, closest

from ..support.properties import json_values, property_test

BOTH = (JSONV1, JSONV2)


def test_a_client_that_names_no_version_speaks_v1() -> None:
    """The oldest clients send no version."""
    assert negotiate(DEFAULT_VSN, BOTH) is JSONV1


@pytest.mark.parametrize("vsn", ["1.0.0", "1.0.9", "1.0.1-rc.1", "1.0.0+b1", "1.0.99999999999999"])
def test_one_zero_is_v1(vsn: str) -> None:
    """V1 is at least 1.0.0 and below 1.1.0."""
    assert negotiate(vsn, BOTH) is JSONV1


@pytest.mark.parametrize(
    "vsn", ["2.0.0", "2.0.7", "2.0.0+b1", "2.0.0+0.01", "2.0.1-rc.1", "2.0.1-0", "2.0.1-a.b-c+d.e"]
)
def test_two_zero_is_v2(vsn: str) -> None:
    """A pre-release of 2.0.1 comes after 2.0.0. A build is ignored."""
    assert negotiate(vsn, BOTH) is JSONV2


@pytest.mark.parametrize(
    "vsn",
    [
        "1.1.0",
        "2.1.0",
        "2.1.0-dev",
        "2.1.0-0",
        "2.0.0-rc.1",
        "1.0.0-0",
        "3.0.0",
        "123.1.1",
        "0.0.0",
    ],
)
def test_a_version_that_nobody_speaks_is_refused(vsn: str) -> None:
    """A pre-release of 2.0.0 comes before 2.0.0."""
    assert negotiate(vsn, BOTH) is None


@pytest.mark.parametrize(
    "vsn",
    [
        "", "2", "2.0", "2.0.0.0", "02.0.0", "2.00.0", "2.0.01", "v2.0.0", " 2.0.0", "2.0.0 ",
        "2.0.0\n", "2.0.x", "-2.0.0", "2.0.0-", "2.0.1-a..b", "2.0.1-01", "2.0.1-a.01", "2.0.0+",
        "2.0.1-é", "2.0.0_1", "2,0,0", "2.0.\N{ARABIC-INDIC DIGIT SEVEN}", "2.0." + "1" * 100,
    ],
)  # fmt: skip
def test_what_is_no_semantic_version_is_refused(vsn: str) -> None:
    """Neither the three numbers nor an identifier of a pre-release can have leading zeros."""
    assert negotiate(vsn, BOTH) is None


@pytest.mark.parametrize("vsn", [None, ["2.0.0"], {"a": "2.0.0"}, 2, b"2.0.0"])
def test_a_version_that_is_no_text_is_refused(vsn: Any) -> None:
    """``vsn[]=`` and ``vsn[a]=`` are decoded to lists and dicts. Phoenix answers a map with a 500."""
    assert negotiate(vsn, BOTH) is None


def test_the_first_serializer_that_fits_is_chosen_of_those_there_are() -> None:
    """A socket can have only one version."""
    assert negotiate("1.0.0", (JSONV2,)) is None
    assert negotiate("2.0.0", (JSONV2,)) is JSONV2
    assert negotiate("2.0.0", ()) is None


@property_test
@given(json_values | st.from_regex(r"\A[0-9a-z.+-]*\Z"))
def test_no_version_raises(vsn: Any) -> None:
    """A client can send any text."""
    assert negotiate(vsn, BOTH) in (None, JSONV1, JSONV2)


@pytest.mark.parametrize("vsn", [None, 2, "", "two", "2.0.0" * 1000])
def test_there_is_no_closest_format_to_what_is_no_version(vsn: Any) -> None:
    assert closest(vsn, BOTH) is None
