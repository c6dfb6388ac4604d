"""The metrics are fetched by HTTP, and each other answer says what to do."""

from __future__ import annotations

import asyncio

import pytest

from bennu.errors import DefinitionError
from bennu.top import NoMetrics, Scraper

from .answers import METRICS, answering

pytestmark = pytest.mark.clock("real")


@pytest.mark.parametrize(
    ("path", "asked"),
    [("", b"/metrics"), ("/", b"/metrics"), ("/app/numbers", b"/app/numbers")],
)
async def test_the_metrics_are_fetched(path: str, asked: bytes) -> None:
    async with answering(METRICS) as (url, heard):
        found = await Scraper(url + path).scrape()
    assert found.sum("bennu_workers") == 2.0
    assert heard[0].startswith(b"GET " + asked + b" HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"Authorization" not in heard[0]


async def test_a_token_is_brought() -> None:
    async with answering(METRICS) as (url, heard):
        await Scraper(url, "a token of at least 20 bytes").scrape()
    assert b"\r\nAuthorization: Bearer a token of at least 20 bytes\r\n" in heard[0]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("404 Not Found", r'write Endpoint\(metrics="/metrics"\), and then bennu top http://127'),
        ("401 Unauthorized", "--token, or in BENNU_METRICS_TOKEN"),
        ("403 Forbidden", "run bennu top beside the server with http://localhost"),
        ("308 Moved\r\nLocation: https://a/b", "elsewhere .308.: write bennu top https://a/b"),
        ("500 Oops", "answered 500: expected 200 with metrics"),
        ("200 OK", "expected metrics of Bennu, got ''"),
    ],
)
async def test_another_answer_says_what_to_do(answer: str, text: str) -> None:
    async with answering(f"HTTP/1.0 {answer}\r\n\r\n".encode()) as (url, _):
        with pytest.raises(NoMetrics, match=text):
            await Scraper(url).scrape()


async def test_a_server_that_is_not_there_or_speaks_another_protocol() -> None:
    with pytest.raises(NoMetrics, match=r"can't be reached: .* Is the server up"):
        await Scraper("http://127.0.0.1:1").scrape()
    async with answering(b"SSH-2.0-OpenSSH\r\n") as (url, _):
        with pytest.raises(NoMetrics, match=r"can't be reached: SSH-2\.0"):
            await Scraper(url).scrape()
        with pytest.raises(NoMetrics, match="can't be reached by TLS"):
            await Scraper(url.replace("http", "https")).scrape()


async def test_a_command_that_ends_does_not_wait_for_the_answer() -> None:
    """An answer that comes later is for nobody."""
    asked, over, answered = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await over.wait()
        writer.write(METRICS)
        writer.close()
        await writer.wait_closed()
        answered.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        scraping = asyncio.ensure_future(Scraper(f"http://127.0.0.1:{port}").scrape())
        await asked.wait()
        scraping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await scraping
        over.set()
        await answered.wait()


@pytest.mark.parametrize("url", ["localhost:4000", "ws://localhost", "http://", "http://a:b"])
def test_another_url_is_refused(url: str) -> None:
    with pytest.raises(DefinitionError, match="http://localhost:4000"):
        Scraper(url)


def test_a_password_in_the_url_is_not_shown() -> None:
    assert Scraper("http://ann:secret@localhost:4000").url == "http://localhost:4000/metrics"
