"""Messages travel in notifications, and hostile notifications do no harm."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given, strategies as st

from bennu.bus.postgresql.packets import (
    MAX_DATA,
    MAX_NAME,
    SLOTS,
    PacketJoiner,
    parts_of,
    slot_of,
    transactions,
)

BATCH = 256 * 1024
PART = 5_988
TOPICS = b"t:"

channels = st.text(st.characters(codec="utf-8"), max_size=20).flatmap(
    lambda name: st.sampled_from([name, f"t:{name}"])
)
messages = st.lists(st.tuples(channels, st.binary(max_size=300)), max_size=30)


def packet_of(*messages: tuple[str, bytes]) -> bytes:
    """Return the packet of messages in one channel."""
    [packets] = transactions(messages, TOPICS)
    [packet] = packets.values()
    return bytes(packet)


def join(joiner: PacketJoiner, parts: list[str], sender: int = 1) -> list[tuple[bytes, bytes]]:
    return list(chain.from_iterable(joiner.receive(sender, "bennu_00", part) for part in parts))


@given(messages)
def test_what_is_joined_is_what_was_cut(sent: list[tuple[str, bytes]]) -> None:
    joiner = PacketJoiner()
    heard: dict[int, list[tuple[bytes, bytes]]] = {}
    for packets in transactions(sent, TOPICS):
        for slot, packet in packets.items():
            for part in parts_of(packet, slot):
                heard.setdefault(slot, []).extend(joiner.receive(1, SLOTS[slot], part))
    for slot in range(len(SLOTS)):
        expected = [
            (name.encode(), data) for name, data in sent if slot_of(name.encode(), TOPICS) == slot
        ]
        assert heard.get(slot, []) == expected
    assert joiner.dropped == 0


def test_all_nodes_agree_on_the_slots() -> None:
    assert (len(SLOTS), SLOTS[0], SLOTS[-1]) == (80, "bennu_00", "bennu_4f")
    assert [slot_of(name, TOPICS) for name in (b"t:room:1", b"t:room:2", b"n:one", b"c")] == [
        44,
        22,
        71,
        79,
    ]


@pytest.mark.parametrize("size", [0, 1, PART - 9, PART - 8, MAX_DATA])
def test_a_notification_is_ascii_and_no_longer_than_postgresql_allows(size: int) -> None:
    parts = parts_of(packet_of(("", bytes(size))), 3)
    assert all(len(part) < 8000 and part.isascii() for part in parts)
    assert len(parts) == -(-(size + 8) // PART)
    assert join(PacketJoiner(), parts) == [(b"", bytes(size))]


def test_the_longest_channel_fits() -> None:
    name = "x" * MAX_NAME
    assert join(PacketJoiner(), parts_of(packet_of((name, bytes(MAX_DATA))), 0)) == [
        (name.encode(), bytes(MAX_DATA))
    ]


def test_the_parts_of_equal_packets_differ_up_to_65536_packets() -> None:
    packet = packet_of(("t", bytes(3 * PART)))
    parts = parts_of(packet, 0) + parts_of(packet, 1)
    assert len(set(parts)) == len(parts) == 8
    assert parts_of(packet, 65536) == parts_of(packet, 0)


def test_a_transaction_is_small_unless_a_message_is_large() -> None:
    sent = [("t", bytes(1000))] * 1000 + [("t", bytes(MAX_DATA)), ("t", b"last")]
    sizes = [sum(map(len, packets.values())) for packets in transactions(sent, TOPICS)]
    assert [size for size in sizes if size > BATCH] == [MAX_DATA + 9]
    assert sum(sizes) == sum(9 + len(data) for _, data in sent)
    assert list(transactions([], TOPICS)) == []


def test_empty_messages_fill_a_transaction_too() -> None:
    assert len(list(transactions([("", b"")] * (BATCH // 8 + 1), TOPICS))) == 2


@pytest.mark.parametrize(
    "junk",
    [
        "",
        "hello",
        "B000",
        "B0000zzzz",
        "B0000-001AAAA",
        "B0000ffffAAAA",
        "B00000000A",
        "B00000000AAA",
        "B00000000é===",
        "D00000000AAAA",
        "C00000000AAAA",
        "B00000000////////////",
        "B00000000AAAAAAAAAAAAAAAA",
    ],
)
def test_junk_is_dropped_and_the_next_message_is_heard(junk: str) -> None:
    joiner = PacketJoiner()
    assert join(joiner, [junk]) == []
    assert joiner.dropped == 1
    assert join(joiner, parts_of(packet_of(("t", b"1")), 0)) == [(b"t", b"1")]


@given(st.lists(st.text(max_size=20) | st.from_regex(r"[BC]000[01]000[0-3][A-Za-z]*"), max_size=20))
def test_no_text_breaks_the_joiner(texts: list[str]) -> None:
    joiner = PacketJoiner()
    join(joiner, texts)
    assert join(joiner, parts_of(packet_of(("t", b"1")), 0)) == [(b"t", b"1")]


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_packet_with_a_missing_part_is_dropped(missing: int) -> None:
    joiner = PacketJoiner()
    parts = parts_of(packet_of(("t", bytes(2 * PART))), 0)
    assert len(parts) == 3
    del parts[missing]
    assert join(joiner, parts) == []
    assert join(joiner, parts_of(packet_of(("t", b"1")), 1)) == [(b"t", b"1")]
    assert joiner.dropped == 2


@pytest.mark.parametrize(
    ("sender", "slot", "number"), [(2, "bennu_00", 7), (1, "bennu_01", 7), (1, "bennu_00", 8)]
)
def test_the_parts_of_two_packets_are_not_mixed(sender: int, slot: str, number: int) -> None:
    joiner = PacketJoiner()
    packet = packet_of(("t", bytes(PART)))
    first, _ = parts_of(packet, 7)
    _, second = parts_of(packet, number)
    assert joiner.receive(1, "bennu_00", first) == ()
    assert joiner.receive(sender, slot, second) == ()
    assert joiner.dropped == 2


def test_what_a_hostile_sender_can_make_us_keep_is_bounded() -> None:
    joiner = PacketJoiner()
    most = -(-(MAX_DATA + MAX_NAME + 8 + BATCH) // PART)
    assert joiner.receive(1, "bennu_00", f"B0000{most:04x}AAAA") == ()
    assert joiner.dropped == 1  # and not kept


def test_a_node_without_topics_hears_the_slots_of_no_topic() -> None:
    topics = {slot_of(b"t:%d" % number, TOPICS) for number in range(5000)}
    others = {slot_of(b"n:%d" % number, TOPICS) for number in range(5000)}
    assert (topics, others) == (set(range(64)), set(range(64, 80)))
