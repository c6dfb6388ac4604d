"""The queue of a connection is bounded by its chunks, and counts what is dropped."""

from __future__ import annotations

from bennu.bus.ipc.link_queue import CHUNK, LinkQueue


def test_a_chunk_has_the_next_frames_in_their_order() -> None:
    queue = LinkQueue()
    for frame in (b"a", b"bb"):
        queue.add(b"t", frame)
    assert (len(queue), queue.size, queue.has_chunk) == (2, 3, False)
    assert queue.next_chunk() == b"abb"
    assert (len(queue), queue.size) == (0, 0)


def test_a_chunk_is_bounded() -> None:
    queue = LinkQueue()
    frame = bytes(CHUNK // 2)
    for _ in range(5):
        queue.add(b"t", frame)
    assert queue.has_chunk
    assert [len(queue.next_chunk()) for _ in range(3)] == [CHUNK, CHUNK, CHUNK // 2]
    assert queue.size == 0


def test_what_waits_is_counted_by_topic() -> None:
    queue = LinkQueue()
    queue.add(b"t", b"has left")
    queue.next_chunk()
    for key in (b"t", None, b"u", b"t"):
        queue.add(key, b"1234")
    assert queue.drop() == {b"t": 2, b"u": 1}
    assert (len(queue), queue.size) == (0, 0)
    assert queue.drop() == {}
