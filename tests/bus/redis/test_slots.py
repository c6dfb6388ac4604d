"""Which server has which slot."""

import pytest

from bennu.bus.redis.options import RedisPlace
from bennu.bus.redis.slots import SlotMap, place_in, slot_of


def test_a_slot_is_a_hash_of_the_name_or_of_its_part_in_braces() -> None:
    assert slot_of("123456789") == 12739  # of Redis's specification
    assert slot_of("{room}:1") == slot_of("{room}:2") == slot_of("room")


def test_the_map_is_what_a_server_said() -> None:
    asked = RedisPlace("10.0.0.1", 7000)
    slots = SlotMap()
    assert slots.place_of("a") is None
    assert slots.places == set()
    slots.read(
        [
            [0, 8191, [b"10.0.0.2", 1, b"id"], [b"10.0.0.9", 9, b"id"]],
            [8192, 16000, [None, 2, b"id"]],
            [16001, 16001, [b"?", 3, b"id"]],
        ],
        asked,
    )
    two, one = RedisPlace("10.0.0.2", 1), RedisPlace("10.0.0.1", 2)
    assert slots.places == {two, one, RedisPlace("10.0.0.1", 3)}
    assert slot_of("room:1") < 16002
    assert slots.place_of("room:1") in (one, two)
    slots.move(slot_of("room:1"), asked)
    assert slots.place_of("room:1") == asked


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("MOVED 42 10.0.0.7:6380", (42, RedisPlace("10.0.0.7", 6380))),
        ("MOVED 42 ::1:6380", (42, RedisPlace("::1", 6380))),
        ("MOVED 42 :6380", (42, RedisPlace("10.0.0.1", 6380))),
        ("MOVED 42 ?:6380", (42, RedisPlace("10.0.0.1", 6380))),
        ("CLUSTERDOWN Hash slot not served", None),
        ("MOVED", None),
    ],
)
def test_an_error_can_name_the_server_of_a_slot(
    error: str, expected: tuple[int, RedisPlace] | None
) -> None:
    assert place_in(error, RedisPlace("10.0.0.1", 7000)) == expected
