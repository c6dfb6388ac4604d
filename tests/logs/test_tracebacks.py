"""The traceback of an exception in the log: the whole chain, printable and bounded."""

from __future__ import annotations

import asyncio

import pytest

from bennu.logs.tracebacks import MAX_CHAIN, traceback_of


def raised(error: Exception) -> Exception:
    """Return an exception with a traceback."""
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


def test_a_traceback_shows_causes_contexts_notes_and_groups() -> None:
    group = ExceptionGroup("both", [raised(ValueError("one\n")), KeyError()])
    group.add_note("a\nnote")
    group.__context__ = raised(OSError("first"))
    last = asyncio.QueueFull()
    last.__cause__ = group
    text = traceback_of(last)
    lines = text.splitlines()
    assert lines.index("OSError: first") < lines.index("ExceptionGroup: both (2 sub-exceptions)")
    assert r"a\nnote" in lines
    assert r"  | ValueError: one\n" in lines
    assert "  | KeyError" in lines
    assert lines[-1] == "asyncio.queues.QueueFull"
    assert any(line.startswith("The above exception was the direct cause") for line in lines)
    assert any(line.startswith("During handling of the above") for line in lines)


def test_a_traceback_of_a_long_chain_a_large_group_or_a_deep_recursion_is_cut() -> None:
    def recurse(depth: int) -> int:
        return recurse(depth + 1) if depth % 2 else 1 + recurse(depth + 1)

    error: Exception = ValueError("x")
    for _ in range(1000):
        outer = ValueError("x")
        outer.__cause__ = error
        error = outer
    assert traceback_of(error).count("ValueError") == MAX_CHAIN
    many = ExceptionGroup("many", [ValueError() for _ in range(1000)])
    assert traceback_of(many).count("ValueError") == MAX_CHAIN - 1
    with pytest.raises(RecursionError) as caught:
        recurse(0)
    assert len(traceback_of(caught.value)) < 10_000
