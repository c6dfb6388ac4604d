"""A tick adds up the figures of all nodes. Its size is bounded."""

from __future__ import annotations

import msgspec

from bennu.dashboard.figures import MAX_SLOW, NodeFigures, NodeState, SlowFigures
from bennu.dashboard.ticks import MAX_NODES, tick_of
from bennu.dashboard.topic_rates import TopicFigures


def figures(node: str, *topics: TopicFigures, slow: int = 0, more_topics: int = 0) -> NodeFigures:
    return NodeFigures(
        node=node,
        state=NodeState(connections=1),
        topics=list(topics),
        more_topics=more_topics,
        slowest=[SlowFigures(node, str(one), None, 1, one) for one in range(slow)],
    )


def test_this_node_is_the_first_and_silent_nodes_are_named() -> None:
    known = {"a": figures("a"), "b": figures("b"), "gone": figures("gone")}
    tick = tick_of(7, "b", known, {"a", "b", "c"}, 10)
    assert [one.node for one in tick.nodes] == ["b", "a"]
    assert (tick.node, tick.silent, tick.more_nodes, tick.time) == ("b", ["c"], 0, 7)


def test_topics_of_two_nodes_are_added_up() -> None:
    """A broadcast passes both nodes, so its rate is counted once."""
    known = {
        "a": figures("a", TopicFigures("room:1", 2, 5, 10), TopicFigures("room:2", 1, 0, 0)),
        "b": figures("b", TopicFigures("room:1", 3, 4, 12), more_topics=9),
    }
    tick = tick_of(0, "a", known, known, 10)
    assert tick.topics == [
        TopicFigures("room:1", 5, 5, 22, nodes=2),
        TopicFigures("room:2", 1, 0, 0),
    ]
    assert tick.more_topics == 9
    assert all(not one.topics for one in tick.nodes)


def test_a_tick_is_bounded() -> None:
    topics = [TopicFigures("x" * 200, 1, 1, number) for number in range(50)]
    known = {
        f"node-{number}": figures(
            f"node-{number}",
            *(msgspec.structs.replace(one, topic=f"{number}{one.topic}") for one in topics),
            slow=MAX_SLOW,
        )
        for number in range(200)
    }
    tick = tick_of(0, "node-0", known, known, 50)
    assert (len(tick.nodes), len(tick.topics), len(tick.slow)) == (MAX_NODES, 50, 20)
    assert tick.more_nodes == 200 - MAX_NODES
    assert len(msgspec.json.encode(tick)) < 100_000
