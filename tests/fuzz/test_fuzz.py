"""Seconds of fuzzing with the whole corpus, and tests of the fuzzer itself."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from tests.fuzz import __main__ as command, targets as targets_module
from tests.fuzz.engine import Run, grown_by, replay, shortened
from tests.fuzz.mutate import MAX_SIZE, mutated
from tests.fuzz.targets import CORPUS, TARGETS, Target

SECONDS = 5 / len(TARGETS)
"""Seconds of each target, which is enough for at least a hundred inputs; scripts/fuzz takes as long as it is told."""
SEED = 20_261_122
SMALL = 1000
"""Bytes of a file of the corpus, at most."""


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_does_what_is_not_documented(name: str) -> None:
    """Neither the corpus nor new inputs have findings, and memory does not grow."""
    run = Run(TARGETS[name], random.Random(SEED))
    run.go_on(SECONDS)
    assert run.findings == []
    assert run.inputs > 80
    grown, objects = grown_by(run, 120 // run.target.weight)
    assert grown < 100_000
    assert objects < 300


def test_each_target_has_a_corpus_and_each_corpus_a_target() -> None:
    """The files of a corpus are small."""
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)
    for target in TARGETS.values():
        assert target.corpus()
        assert max(map(len, target.corpus())) <= 3 * SMALL


@pytest.mark.parametrize("name", TARGETS)
def test_a_corpus_reaches_what_a_target_does_well(name: str) -> None:
    """Some inputs of each corpus are accepted: else the fuzzer would only test refusals."""
    target = TARGETS[name]

    def is_read(data: bytes) -> bool:
        try:
            return bool(target.feed(data)) or True
        except target.documented:
            return False

    assert any(map(is_read, target.corpus()))


# The fuzzer itself.


def brittle(data: bytes) -> str:
    """A decoder with a mistake: a colon directly behind a number raises an undocumented exception."""
    text = data.decode("ascii")
    if "{" not in text:
        raise ValueError("expected a brace")
    for before, after in pairwise(text):
        if before.isdigit() and after == ":":
            raise ZeroDivisionError
    return "read"


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a corpus for the decoder."""
    monkeypatch.setattr(targets_module, "CORPUS", tmp_path)
    monkeypatch.setattr(command, "CORPUS", tmp_path)
    (tmp_path / "brittle").mkdir()
    (tmp_path / "brittle" / "first.txt").write_bytes(b'{"a": 1, "b": 22}')
    return tmp_path


def target(feed: Callable[[bytes], str] = brittle) -> Target:
    """Return the decoder as a target that documents its ValueErrors."""
    return Target("brittle", feed, (ValueError,), (b'"a"',))


@pytest.fixture
def brittle_alone(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    """Make this decoder the only target."""
    one = target()
    assert one.corpus() == [path.read_bytes() for path in (corpus / one.name).iterdir()]
    monkeypatch.setattr(command, "TARGETS", {"brittle": one})
    return one


@pytest.mark.usefixtures("corpus")
def test_a_mistake_is_found_and_made_short() -> None:
    """Several inputs with one mistake are one finding."""
    run = Run(target(), random.Random(SEED))
    run.go_on(inputs=20_000)
    [finding] = run.findings
    assert finding.error.startswith("ZeroDivisionError at test_fuzz.py:")
    assert sorted(finding.data.translate(None, b"0123456789")) == sorted(b"{:")
    assert len(finding.data) == 3
    with pytest.raises(ZeroDivisionError):
        replay(target(), finding.data)


@pytest.mark.usefixtures("corpus")
def test_what_is_documented_is_no_finding_but_a_behaviour() -> None:
    """Numbers in the words of an error make no new outcome."""
    assert (
        replay(target(), b"no 12")
        == replay(target(), b"no 345")
        == ("ValueError", "expected a brace")
    )
    assert replay(target(), b"{") == "read"


@pytest.mark.usefixtures("corpus")
def test_a_run_with_one_seed_is_the_same_twice() -> None:
    """A finding can be repeated."""
    made = []
    for _ in range(2):
        run = Run(target(), random.Random(SEED))
        run.go_on(inputs=500)
        made.append([run.make() for _ in range(20)])
    assert made[0] == made[1]


@pytest.mark.usefixtures("corpus")
def test_growth_is_measured() -> None:
    """The growth of a target that keeps its inputs is reported."""
    kept: list[bytes] = []

    def hoard(data: bytes) -> str:
        kept.append(bytes(bytearray(data)) + bytes(1000))
        return "kept"

    assert grown_by(Run(target(hoard), random.Random(SEED)), 200)[0] > 150_000
    assert grown_by(Run(target(), random.Random(SEED)), 200)[0] < 50_000


@pytest.mark.usefixtures("corpus")
def test_a_target_with_too_many_findings_is_given_up() -> None:
    """The other findings are probably the same."""

    def hopeless(data: bytes) -> str:
        raise [KeyError, IndexError, TypeError, OSError, EOFError][len(data) % 5]("so")

    run = Run(target(hopeless), random.Random(SEED))
    run.go_on(inputs=2000)
    assert len(run.findings) == 5
    run.findings += run.findings
    assert run.is_over
    fed = run.inputs
    run.go_on(inputs=2000)
    assert run.inputs == fed


def test_mutations_change_and_are_bounded() -> None:
    """Inputs have every size up to the limit, also 0."""
    rng = random.Random(SEED)
    made = {mutated(rng, b"some input", [b"another", b""], [b"word"]) for _ in range(3000)}
    assert len(made) > 2000
    assert b"" in made
    assert max(map(len, made)) <= MAX_SIZE
    assert len(mutated(rng, bytes(10 * MAX_SIZE), [b""], [])) <= MAX_SIZE


def test_what_is_shortened_is_wrong_still() -> None:
    """The shortened input still has a wrong outcome, and can't be shortened further."""
    assert shortened(b"abcXdefYghi", lambda data: b"X" in data and b"Y" in data) == b"XY"


def test_the_command_says_how_to_see_a_finding_again(
    brittle_alone: Target, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command prints how to repeat a finding. With --add the finding is in the corpus."""
    assert command.main(["0.5", "--seed", "1", "--add"]) == 1
    said = capsys.readouterr().out
    assert "seed 1, 0.5 s, 1 targets" in said
    assert "FOUND in brittle: ZeroDivisionError" in said
    [again] = [line.split()[-2:] for line in said.splitlines() if "again:" in line]
    with pytest.raises(ZeroDivisionError):
        replay(brittle_alone, base64.b64decode(again[0]))
    with pytest.raises(ZeroDivisionError):
        command.main(["--input", *again])
    assert len(list((corpus / "brittle").iterdir())) == 2
    assert command.main(["--input", base64.b64encode(b"{}").decode(), "brittle"]) == 0
    assert "brittle: read" in capsys.readouterr().out


@pytest.mark.usefixtures("brittle_alone")
def test_the_command_knows_its_targets(capsys: pytest.CaptureFixture[str]) -> None:
    """The error for an unknown target lists the targets."""
    with pytest.raises(SystemExit, match="2"):
        command.main(["5", "frame"])
    assert "no such target: frame; there are brittle" in capsys.readouterr().err


@pytest.mark.usefixtures("corpus")
def test_the_command_tells_of_memory(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A leak is a finding, though no single input causes it."""
    kept: list[bytes] = []
    leaky = target(lambda data: kept.append(data + bytes(100)) or "kept")  # type: ignore[func-returns-value]
    monkeypatch.setattr(command, "TARGETS", {"brittle": leaky})
    assert command.main(["0.05", "brittle"]) == 1
    assert "memory grew by" in capsys.readouterr().out
