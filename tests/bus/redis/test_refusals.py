"""Errors of Redis, and whether a retry helps."""

import pytest

from bennu.bus.redis.options import RedisPlace, read_address
from bennu.bus.redis.refusals import is_passing, refusal, telling
from bennu.errors import DefinitionError

OPTIONS = read_address("redis://me:hunter2@cache").options


@pytest.mark.parametrize(
    "text",
    [
        "WRONGPASS invalid username-password pair or user is disabled.",
        "NOAUTH HELLO must be called with the client already authenticated",
        "NOPERM User me has no permissions to run the 'publish' command",
        "ERR unknown command 'HELLO'",
        "ERR DB index is out of range",
        "DENIED Redis is running in protected mode",
    ],
)
def test_an_error_that_stays_is_a_mistake_of_the_definition(text: str) -> None:
    error = refusal(RedisPlace("cache"), OPTIONS, "HELLO", text)
    assert isinstance(error, DefinitionError)
    assert text in str(error)
    assert "hunter2" not in str(error)
    assert not is_passing(text)


@pytest.mark.parametrize("text", ["ERR max number of clients reached", "OOM command not allowed"])
def test_another_error_can_pass(text: str) -> None:
    error = refusal(RedisPlace("cache"), OPTIONS, "PUBLISH", text)
    assert isinstance(error, ConnectionError)
    assert str(error) == f"cache:6379 refused PUBLISH: {text}"


def test_an_error_of_a_server_that_starts_passes() -> None:
    assert is_passing("LOADING Redis is loading the dataset in memory")
    assert is_passing("CLUSTERDOWN The cluster is down")


def test_a_retry_helps_if_it_can_help_at_one_server() -> None:
    final = refusal(RedisPlace("a"), OPTIONS, "HELLO", "WRONGPASS")
    down = ConnectionRefusedError()
    assert telling([down, final]) is down
    assert telling([final]) is final
