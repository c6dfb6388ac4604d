"""uvicorn's lines about requests show no query, and only printable characters."""

from __future__ import annotations

import logging

import pytest

from bennu.cli.access_log import WithoutQuery, hide_queries
from bennu.logs.queries import LOGGERS


@pytest.mark.parametrize("name", LOGGERS)
def test_a_line_shows_the_path_without_its_query(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger(name)
    before = list(logger.filters)
    try:
        hide_queries()
        hide_queries()
        assert sum(isinstance(one, WithoutQuery) for one in logger.filters) == 1
        with caplog.at_level(logging.INFO, name):
            logger.info('%s - "%s %s HTTP/%s" %d', "1.2.3.4\n\x1b", "GET", "/a?token=x", "1.1", 200)
            logger.info("Is it well?")
    finally:
        logger.filters[:] = before
    assert caplog.messages == [r'1.2.3.4\n\x1b - "GET /a HTTP/1.1" 200', "Is it well?"]
