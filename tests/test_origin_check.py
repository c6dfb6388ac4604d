"""OriginCheck with a user's function: only True lets pages of an origin connect."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from bennu.errors import DefinitionError
from bennu.origin_check import OriginCheck
from bennu.protocol.origin import Origin, Requested

HERE = Requested("https", "example.com", 443)
WITHOUT_HOST = ["null", "file://", "", "//", "not an origin", "http://:80"]


async def allows(policy: Any, origin: str) -> bool:
    """Return whether a policy allows the origin of a header."""
    return await OriginCheck(policy).fits(Origin.parse(origin), HERE)


@pytest.mark.conformance("OR010", "OR020")
@pytest.mark.parametrize("origin", ["https://example.com:88", *WITHOUT_HOST])
async def test_a_function_is_asked_for_every_origin_and_decides(origin: str) -> None:
    """The function gets the parsed origin, also one without a host."""
    asked: list[Origin] = []

    def ask(origin: Origin, answer: bool) -> bool:
        asked.append(origin)
        return answer

    assert await allows(partial(ask, answer=True), origin)
    assert not await allows(partial(ask, answer=False), origin)
    assert asked == [Origin.parse(origin)] * 2


@pytest.mark.conformance("OR021")
async def test_a_function_may_bring_arguments_of_its_own() -> None:
    """Phoenix appends further arguments to the URI; in Python a partial does this."""

    def one_of(hosts: list[str], origin: Origin) -> bool:
        return origin.host in hosts

    policy = partial(one_of, ["a.org", "b.org"])

    assert await allows(policy, "https://b.org")
    assert not await allows(policy, "https://c.org")


async def test_an_async_function_is_awaited() -> None:
    """An async function is awaited, also behind a lambda: a coroutine is not taken for True."""

    async def ours(origin: Origin) -> bool:
        return origin.host == "a.org"

    for policy in (ours, lambda origin: ours(origin)):  # noqa: PLW0108 - the lambda is what is tested
        assert await allows(policy, "https://a.org")
        assert not await allows(policy, "https://b.org")


@pytest.mark.parametrize("answer", [1, "yes", object, [True], None, 0, ""])
async def test_what_is_no_bool_is_a_no(answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A result that is no bool is logged as a mistake, and refuses the page."""
    assert not await allows(lambda origin: answer, "https://a.org")
    assert "expected True or False" in caplog.text


@pytest.mark.parametrize("kind", [ValueError, SystemExit, StopIteration])
async def test_a_crash_is_a_no(kind: type[BaseException], caplog: pytest.LogCaptureFixture) -> None:
    """A function that raises is logged, and refuses the page."""

    def fail(origin: Origin) -> bool:
        raise kind

    assert not await allows(fail, "https://a.org")
    assert "check_origin crashed" in caplog.text


async def test_a_policy_of_the_table_needs_no_function() -> None:
    """A policy of the table is used through the same class."""
    assert await allows("host", "https://example.com")
    assert not await allows("host", "https://evil.example")
    with pytest.raises(DefinitionError):
        OriginCheck("example.com")
