"""The queue of a connection knows which messages have not left."""

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


def test_what_has_not_left_is_counted_by_topic() -> None:
    queue = LinkQueue()
    for key in (b"t", None, b"u", b"t"):
        queue.add(key, b"1234")
    queue.next_chunk()
    queue.add(b"u", b"5678")
    queue.add(None, b"5678")
    assert queue.drop(unsent=9) == {
        b"t": 1,
        b"u": 2,
    }  # 5678, and of the chunk 3 frames, of which 1 in part
    assert (len(queue), queue.size) == (0, 0)
    assert queue.drop(unsent=9) == {}


def test_a_chunk_that_has_left_is_not_counted() -> None:
    queue = LinkQueue()
    queue.add(b"t", b"1234")
    queue.next_chunk()
    assert queue.drop(unsent=0) == {}
