"""The bytes of commands."""

from hiredis import Reader
from hypothesis import given, strategies as st

from bennu.bus.redis.commands import PING, packed, published


def read(data: bytes) -> list[object]:
    reader = Reader(notEnoughData=None)
    reader.feed(data)
    return list(iter(reader.gets, None))


@given(st.lists(st.binary(), min_size=1))
def test_a_command_is_read_as_it_was_written(parts: list[bytes]) -> None:
    assert read(packed(parts)) == [parts]
    assert read(PING) == [[b"PING"]]


@given(st.lists(st.tuples(st.text(), st.binary())))
def test_messages_are_read_as_they_were_written(messages: list[tuple[str, bytes]]) -> None:
    expected = [[b"SPUBLISH", channel.encode(), data] for channel, data in messages]
    assert read(published(b"SPUBLISH", messages)) == expected
