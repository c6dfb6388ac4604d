"""What a span says of an exception."""

from __future__ import annotations

import pytest

from bennu.tracing.crashes import note_crash

from .recording import Recording


def test_an_exception_has_its_causes_and_no_texts() -> None:
    recording = Recording()
    span = recording.provider.get_tracer("shop").start_span("span")

    def fail(password: str) -> None:
        try:
            dict[str, str]()[password]
        except KeyError as error:
            raise ZeroDivisionError(f"not {password}") from error

    with pytest.raises(ZeroDivisionError) as raised:
        fail("hunter2")
    note_crash(span, raised.value)
    span.end()
    [event] = recording.one("span").events
    shown = str(dict(event.attributes or {})["exception.stacktrace"])
    assert shown.count("Traceback") == 2
    assert shown.index("\nKeyError\n") < shown.index("which led to") < shown.index("\nZeroDiv")
    assert "fail(" in shown  # the lines of the code are shown
    assert "hunter2" not in shown.replace('fail("hunter2")', "")
    note_crash(span, ValueError())  # a span that has ended takes no notice
