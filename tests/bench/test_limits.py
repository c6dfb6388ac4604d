"""The limits of open files and ports: raised, or explained."""

from __future__ import annotations

import resource

import pytest

from bennu.bench.limits import TooManyClients, explain_files, explain_ports, raise_limits


class Limits:
    """The limits of a process, in place of those of the test."""

    def __init__(self, soft: int, hard: int, *, may_raise: bool) -> None:
        self.now = (soft, hard)
        self._may_raise = may_raise

    def get(self, kind: int) -> tuple[int, int]:
        assert kind == resource.RLIMIT_NOFILE
        return self.now

    def set(self, kind: int, wanted: tuple[int, int]) -> None:
        assert kind == resource.RLIMIT_NOFILE
        if wanted[1] > self.now[1] and not self._may_raise:
            raise ValueError("not allowed to raise maximum limit")
        self.now = wanted


@pytest.mark.parametrize(
    ("limits", "after"),
    [
        (Limits(1024, 4096, may_raise=False), (2100, 4096)),
        (Limits(1024, resource.RLIM_INFINITY, may_raise=False), (2100, resource.RLIM_INFINITY)),
        (Limits(4096, 4096, may_raise=False), (4096, 4096)),
        (
            Limits(resource.RLIM_INFINITY, resource.RLIM_INFINITY, may_raise=False),
            (resource.RLIM_INFINITY,) * 2,
        ),
        (Limits(1024, 2000, may_raise=True), (2100, 2100)),
    ],
)
def test_the_limit_is_raised_if_that_is_needed(
    limits: Limits, after: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", limits.get)
    monkeypatch.setattr(resource, "setrlimit", limits.set)
    raise_limits(2000, "127.0.0.1", engine="C")
    assert limits.now == after


def test_a_limit_that_can_not_be_raised_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(1024, 4096, may_raise=False)
    monkeypatch.setattr(resource, "getrlimit", limits.get)
    monkeypatch.setattr(resource, "setrlimit", limits.set)
    with pytest.raises(TooManyClients) as caught:
        raise_limits(50_000, "127.0.0.1", engine="C")
    assert str(caught.value) == explain_files(50_000, 4096)
    assert "50,000 clients need 50,100 open files, and this process may have 4,096" in str(
        caught.value
    )
    assert "--clients 3996" in str(caught.value)


@pytest.mark.parametrize(
    ("clients", "host", "engine", "is_explained"),
    [
        (28_000, "example.com", "Python", False),
        (50_000, "example.com", "C", True),
        (50_000, "127.0.0.1", "Python", True),
        (50_000, "127.0.0.1", "C", False),
        (50_000, "localhost", "C", False),
        (50_000, "10.0.0.1", "C", True),
    ],
)
def test_ports(clients: int, host: str, engine: str, is_explained: bool) -> None:
    why = explain_ports(clients, 28_232, host, engine=engine)
    assert (why is not None) is is_explained
    assert why is None or "--clients 28232" in why


def test_ports_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(10_000_000, 10_000_000, may_raise=True)
    monkeypatch.setattr(resource, "getrlimit", limits.get)
    with pytest.raises(TooManyClients, match="need as many ports"):
        raise_limits(1_000_000, "example.com", engine="Python")
