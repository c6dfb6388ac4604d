"""Addresses of Redis, and the secrets in them."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from bennu.bus.redis.options import RedisPlace, read_address
from bennu.errors import DefinitionError
from tests.support.certificates import Authority


@pytest.mark.parametrize(
    ("address", "places", "name"),
    [
        ("redis://cache", [RedisPlace("cache", 6379)], "redis://cache:6379"),
        ("REDIS://cache/", [RedisPlace("cache", 6379)], "redis://cache:6379"),
        ("redis://[::1]:7000", [RedisPlace("::1", 7000)], "redis://[::1]:7000"),
        (
            "redis://chat:s3@a:1, b",
            [RedisPlace("a", 1), RedisPlace("b", 6379)],
            "redis://a:1,b:6379",
        ),
        (
            "redis+unix://:s3@/run/redis%201.sock?db=2",
            [RedisPlace(path="/run/redis 1.sock")],
            "redis+unix:///run/redis 1.sock",
        ),
        (
            "rediss+cluster://a,b:7001",
            [RedisPlace("a", 6379), RedisPlace("b", 7001)],
            "rediss+cluster://a:6379,b:7001",
        ),
        (
            "redis+sentinel://:s3@a,b:1/chat/3",
            [RedisPlace("a", 26379), RedisPlace("b", 1)],
            "redis+sentinel://a:26379,b:1/chat",
        ),
    ],
)
def test_an_address_names_servers(address: str, places: list[RedisPlace], name: str) -> None:
    read = read_address(address)
    assert list(read.places) == places
    assert read.options.name == name
    assert "s3" not in f"{read}"


def test_a_login_is_decoded() -> None:
    address = "redis://ch%40t:p%2F%3Aw%25@cache/4?client_name=web&socket_connect_timeout=0.5"
    options = read_address(address).options
    assert (options.username, options.password, options.db) == ("ch@t", "p/:w%", 4)
    assert (options.client_name, options.timeout, options.tls) == ("web", 0.5, None)
    options = read_address("redis://cache?password=s3&db=4").options
    assert (options.username, options.password, options.db) == (None, "s3", 4)


def test_sentinels_have_a_login_of_their_own() -> None:
    read = read_address(
        "redis+sentinel://chat:s3@a/main/2?sentinel_username=guard&sentinel_password=s4&client_name=web"
    )
    assert read.sentinels is not None
    assert (read.service, read.options.db, read.sentinels.db) == ("main", 2, 0)
    assert (read.options.username, read.options.password) == ("chat", "s3")
    assert (read.sentinels.username, read.sentinels.password) == ("guard", "s4")
    assert read.sentinels.client_name == "web"


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("redis://me:hunter2@", "a host without a name"),
        ("redis://me:hunter2@a,,b", "a host without a name"),
        ("redis://me:hunter2@a@b", "a host without a name"),
        ("redis://me:hun/ter2@cache", "can't be read"),
        ("redis://me:hunter2@cache:port", "can't be read"),
        ("redis://me:hunter2@cache:70000", "can't be read"),
        ("redis://me:hunter2@[cache", "can't be read"),
        ("redis://hunter2@cache", "a user alone"),
        ("redis://me:hunter2#@cache", "%23"),
        ("redis://me:hunter2@cache/main", "another path"),
        ("redis://me:hunter2@cache/1/2/x", "another path"),
        ("redis://me:hunter2@cache?db=one", "can't be read"),
        ("redis://cache?pasword=hunter2", "pasword"),
        ("redis://me:hunter2@cache?ssl_cert_reqs=none", "ssl_cert_reqs"),
        ("redis://me:hunter2@cache?sentinel_password=hunter2", "sentinel_password"),
        ("redis://cache?client_name=a%20b", "client_name"),
        ("redis://cache?socket_connect_timeout=0", "above 0"),
        ("redis+sentinel://me:hunter2@a", "no name"),
        ("redis+sentinel://me:hunter2@a/main/x", "another path"),
        ("redis+unix://:hunter2@", "no path"),
        ("rediss://cache?ssl_cert_reqs=hunter2", "can't be read"),
        ("rediss://cache?ssl_ca_certs=/nowhere", "No such file"),
        ("rediss://cache?ssl_certfile=/nowhere&ssl_password=hunter2", "No such file"),
    ],
)
def test_an_address_that_can_not_be_used_is_refused_without_its_secrets(
    address: str, problem: str
) -> None:
    with pytest.raises(DefinitionError, match=problem) as caught:
        read_address(address)
    error: BaseException | None = caught.value
    assert "hunter2" not in str(error)
    assert "ter2" not in str(error)
    assert error is not None
    assert error.__suppress_context__ or error.__context__ is None


def test_tls_checks_the_server_by_default(tmp_path: Path) -> None:
    plain = read_address("rediss://cache").options.tls
    assert plain is not None
    assert plain.verify_mode == ssl.CERT_REQUIRED
    assert plain.check_hostname
    no_name = read_address("rediss://cache?ssl_check_hostname=False").options.tls
    assert no_name is not None
    assert (no_name.check_hostname, no_name.verify_mode) == (False, ssl.CERT_REQUIRED)
    none = read_address("rediss+cluster://cache?ssl_cert_reqs=none").options.tls
    assert none is not None
    assert (none.check_hostname, none.verify_mode) == (False, ssl.CERT_NONE)
    authority = Authority(tmp_path)
    own = authority.certify("client", b"hunter2")
    query = f"ssl_ca_certs={authority.certfile}&ssl_certfile={own.certfile}&ssl_keyfile={own.keyfile}&ssl_password="
    context = read_address(f"rediss+sentinel://cache/main?{query}hunter2").options.tls
    assert context is not None
    assert [one["subject"] for one in context.get_ca_certs()]
    with pytest.raises(DefinitionError) as caught:
        read_address(f"rediss://cache?{query}wrong-secret")
    assert "secret" not in str(caught.value)
