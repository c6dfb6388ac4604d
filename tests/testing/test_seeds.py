"""Seeds: given, of the environment, or new; and always said."""

from __future__ import annotations

import pytest

from bennu.testing.seeds import seeded


def test_the_same_seed_gives_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENNU_SEED", raising=False)
    with seeded(7) as one, seeded(7) as two:
        assert one.random() == two.random()
    with seeded() as one, seeded() as two:
        assert one.random() != two.random()


def test_the_variable_replays_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers: list[float] = []

    def broken() -> None:
        with seeded() as random:
            numbers.append(random.random())
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken") as failed:
        broken()
    [note] = failed.value.__notes__
    monkeypatch.setenv("BENNU_SEED", note.rpartition("=")[2])
    with seeded() as random:
        assert random.random() == numbers[0]
