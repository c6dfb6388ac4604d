"""People on several servers write one text. The servers share a database and a bus."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bennu import Endpoint
from bennu.bus import BusAdapter
from bennu.store import Store
from bennu.testing import TestCluster, TestNode, nodes
from bennu_demos.document.app import make
from bennu_demos.document.keys import id_of

from .seat import KEY, sit
from .writer import Writer

pytestmark = pytest.mark.clock("real")  # the database has threads


@pytest.fixture
async def cluster(database: Path) -> AsyncIterator[TestCluster]:
    """Two servers with one empty document."""

    def start(pubsub: BusAdapter, _store: Store) -> Endpoint:
        return make(database, pubsub=pubsub)

    async with nodes(start, 2) as cluster:
        await cluster.nodes[0].endpoint.state.store.create(id_of(KEY))
        yield cluster


@pytest.fixture
def one(cluster: TestCluster) -> TestNode:
    return cluster.nodes[0]


@pytest.fixture
def two(cluster: TestCluster) -> TestNode:
    return cluster.nodes[1]


async def test_pages_of_both_servers_have_one_text(one: TestNode, two: TestNode) -> None:
    """So have pages that come later: each server's own copy has what the pages of the other wrote."""
    ann, bo = Writer("Ann"), Writer("Bo")
    async with (
        sit(one.connect("/socket"), ann) as first,
        sit(two.connect("/socket"), bo) as second,
    ):
        ann.write("Hello")
        await second.sees("Hello")
        bo.write(" world")
        await first.sees("Hello world")
        for node in (one, two):
            async with sit(node.connect("/socket"), Writer("Cy")) as third:
                await third.sees("Hello world")


async def test_a_server_that_opens_the_document_has_its_text_and_its_cursors(
    one: TestNode, two: TestNode
) -> None:
    ann, bo = Writer("Ann"), Writer("Bo")
    async with sit(one.connect("/socket"), ann) as first:
        ann.write("Hello")
        ann.point()
        await first.room.assert_broadcast("yjs", lambda message: b'"cursor":{' in message)
        async with sit(two.connect("/socket"), bo) as second:
            await second.sees("Hello")
            await second.sees_cursors_of("Ann")
            await first.sees_cursors_of("Bo")
            await first.room.assert_present(str(bo.client), {"name": "Bo"})


async def test_what_the_bus_loses_comes_from_the_database(
    cluster: TestCluster, one: TestNode, two: TestNode
) -> None:
    """The pages of the server that has missed it get it, without another edit or join."""
    ann, bo = Writer("Ann"), Writer("Bo")
    async with (
        sit(one.connect("/socket"), ann) as first,
        sit(two.connect("/socket"), bo) as second,
    ):
        ann.write("one")
        await second.sees("one")
        cluster.partition([one], [two])
        ann.write(" two")
        bo.write("zero ", at=0)
        for node, text in ((one, "one two"), (two, "zero one")):  # both are stored, and not heard
            async with sit(node.connect("/socket"), Writer("Cy")) as third:
                await third.sees(text)
        cluster.heal()
        await first.sees("zero one two")
        await second.sees("zero one two")


async def test_a_page_moves_from_a_server_that_crashed(one: TestNode, two: TestNode) -> None:
    """Nothing that was seen by another is lost, and the cursor is at its new place."""
    ann, bo = Writer("Ann"), Writer("Bo")
    async with sit(two.connect("/socket"), bo) as second:
        async with sit(one.connect("/socket"), ann):
            ann.write("Hello")
            await second.sees("Hello")
            await second.sees_cursors_of("Ann")
            await one.crash()
        ann.write(" world")
        async with sit(two.connect("/socket"), ann) as first:
            await second.sees("Hello world")
            await first.sees_cursors_of("Bo")
            await second.sees_cursors_of("Ann")


async def test_two_servers_do_not_undo_the_snapshots_of_each_other(
    one: TestNode, two: TestNode
) -> None:
    ann, bo = Writer("Ann"), Writer("Bo")
    stores = [node.endpoint.state.store for node in (one, two)]
    async with (
        sit(one.connect("/socket"), ann) as first,
        sit(two.connect("/socket"), bo) as second,
    ):
        for number in range(10):
            ann.write(f"{number} ")
            await second.sees(ann.text)
            bo.write("and ")
            await first.sees(bo.text)
            await stores[number % 2].compact(id_of(KEY))
    await one.stop()
    await two.stop()
    await one.start()
    async with sit(one.connect("/socket"), cy := Writer("Cy")) as third:
        await third.sees(ann.text)
        assert cy.text.count("and") == 10
