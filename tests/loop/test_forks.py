"""A child replaces the files of its parent, and keeps their numbers."""

from __future__ import annotations

import os

from bennu.loop.forks import give_up


def test_a_file_is_replaced_under_its_number() -> None:
    read, write = os.pipe()
    try:
        give_up([write, -1])
        assert os.read(read, 1) == b""  # nobody has the other end
        assert os.path.samestat(os.fstat(write), os.stat(os.devnull))
        assert not os.get_inheritable(write)
    finally:
        os.close(read)
        os.close(write)
