"""The table of the behaviours that servers decide."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.servers import SERVERS

from .divergence import DIVERGENCES, decided_by_server, servers_for


@pytest.mark.parametrize("row", DIVERGENCES)
def test_every_row_excuses_some_server_from_some_test(row: str) -> None:
    """Each row excludes a server from a test. ``bennu run`` is excluded from none."""
    others = set(SERVERS) - {"native"}
    assert set(DIVERGENCES[row].instead) <= others
    assert DIVERGENCES[row].instead
    sources = [path.read_text() for path in Path(__file__).parent.glob("test_*.py")]
    assert any(f'@decided_by_server("{row}")' in source for source in sources)


def test_a_test_runs_under_all_servers_but_those_of_its_row() -> None:
    def usual() -> None:
        """Run under every server."""

    @decided_by_server("padding of a token")
    def excused() -> None:
        """Run under every server that the row does not exclude."""

    assert servers_for(usual, list(SERVERS)) == list(SERVERS)
    assert servers_for(excused, list(SERVERS)) == ["native", "hypercorn", "granian"]


def test_a_row_that_is_not_there_excuses_nobody() -> None:
    with pytest.raises(LookupError, match="no row 'whatever'"):
        decided_by_server("whatever")
