"""The options of tracing."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from bennu.errors import DefinitionError
from bennu.tracing import OPERATIONS, Tracing


def test_the_defaults() -> None:
    options = Tracing()
    assert options.tracer_provider is None
    assert options.operations == set(OPERATIONS)
    assert (options.client_context, options.one_trace) == ("parent", False)


def test_what_is_given() -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    options = Tracing(
        tracer_provider=provider, operations=["join"], client_context="link", one_trace=True
    )
    assert options.tracer_provider is provider
    assert options.operations == {"join"}
    assert (options.client_context, options.one_trace) == ("link", True)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"tracer_provider": "otlp"}, "expected a TracerProvider"),
        ({"operations": ["joins"]}, "expected some of connect, join"),
        ({"operations": "join"}, "expected some of connect, join"),
        ({"client_context": "yes"}, 'expected "parent" or "link" or "ignore"'),
        ({"one_trace": 1}, "expected True or False"),
        ({"sampler": 0.5}, "'sampler', which it does not have"),
    ],
)
def test_an_error_says_what_to_write(given: dict[str, Any], error: str) -> None:
    with pytest.raises(DefinitionError) as raised:
        Tracing(**given)
    assert error in str(raised.value).replace("\n", " ").replace(":  ", " ").replace(": ", " ")
