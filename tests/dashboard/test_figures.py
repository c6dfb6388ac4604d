"""The figures between two samples."""

from __future__ import annotations

from typing import Any

from bennu.dashboard.figures import FigureMaker, NodeSample, NodeState


def sample(at: float, **more: Any) -> NodeSample:
    return NodeSample(at=at, state=NodeState(connections=3), **more)


def test_the_first_sample_makes_no_figures() -> None:
    assert FigureMaker("a", 10).figures(sample(0)) is None


def test_counts_become_rates_and_totals_stay() -> None:
    maker = FigureMaker("a", 10)
    maker.topics.count("room:1", 0, 0, 1)
    maker.figures(sample(10, cpu=1, dropped={"mailbox_full": 2}))
    maker.topics.count("room:1", 4, 8, 1)
    found = maker.figures(
        sample(
            12,
            cpu=2,
            dropped={"mailbox_full": 2, "no_binary": 6},
            exceeded={"joins": 1},
            lost={"gap": 3},
            messages_in=10,
        )
    )
    assert found is not None
    assert (found.node, found.state.connections) == ("a", 3)
    assert (found.cpu, found.messages_in, found.drops) == (0.5, 5, 3)
    assert (found.messages, found.deliveries) == (2, 4)
    assert found.dropped == {"mailbox_full": 2, "no_binary": 6}
    assert (found.exceeded, found.lost) == ({"joins": 1}, {"gap": 3})
    assert [one.topic for one in found.topics] == ["room:1"]
    assert found.more_topics == 0


def test_topics_that_are_left_out_are_counted() -> None:
    maker = FigureMaker("a", 2)
    found = None
    for at in (0.0, 1.0):
        for number in range(5):
            maker.topics.count(f"room:{number}", 0, 0, 1)
        found = maker.figures(sample(at))
    assert found is not None
    assert (len(found.topics), found.more_topics) == (2, 3)


def test_the_times_of_handlers_are_percentiles() -> None:
    maker = FigureMaker("a", 2)
    maker.figures(sample(0))
    found = maker.figures(sample(1, handled=[0.1] + [0.001] * 98 + [0.5], messages_in=100))
    assert found is not None
    assert (found.handler_median, found.handler_p99) == (0.001, 0.5)
    found = maker.figures(sample(2))
    assert found is not None
    assert (found.handler_median, found.handler_p99) == (None, None)


def test_two_samples_at_one_time_do_not_divide_by_zero() -> None:
    maker = FigureMaker("a", 2)
    maker.figures(sample(0))
    assert maker.figures(sample(0, messages_in=1)) is not None
