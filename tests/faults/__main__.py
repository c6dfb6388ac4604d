"""Breaks nodes, brokers and networks under load, and accounts for every message.

    scripts/faults                          # all cases
    scripts/faults redis-restart nats-cut   # some
    scripts/faults --seed 7 --rate 500      # another load; a seed repeats the choices of a run

In each case three nodes run, with clients that hear every topic. First some seconds without a fault: nothing can be lost.
Then the fault, under load. Then some seconds without a fault: nothing can be lost again. At the end, for each client,
publisher and topic: published = received + counted as missed by the client's node. A node that was killed can't say what
it has published last; each other node must report that.

The exit status is 0 if everything adds up, no client was disconnected except those of a killed node, and no node's memory has
grown by more than 64 MB.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from random import Random
from typing import Final

from .faults import CASES, Case, Setup
from .fleet import Fleet, Worker
from .ledger import Account

NODES: Final = 3
CALM: Final = 3.0
"""Seconds without a fault, before and after."""
PATIENCE: Final = 60.0
MAX_GROWTH: Final = 64_000_000


@dataclass
class Result:
    """What a case came to.

    Attributes:
        name: The case.
        account: The sums.
        ready: Seconds from the end of the fault until all living nodes were ready.
        closed: Clients that were disconnected, and need not have been.
        growth: The most bytes by which the memory of a node grew.
        wrong: What is wrong.
    """

    name: str
    account: Account
    ready: float
    closed: int
    growth: int
    wrong: list[str] = field(default_factory=list[str])


async def run(name: str, case: Case, seed: int, rate: int) -> Result:
    """Run one case."""
    random = Random(f"{seed} {name}")
    async with AsyncExitStack() as stack:
        bus = case.bus()
        setup: Setup
        if hasattr(bus, "__aenter__"):
            setup = await stack.enter_async_context(bus)
        else:
            setup = stack.enter_context(bus)
        fleet = Fleet(
            [_worker(number, setup) for number in range(NODES)],
            seed,
            rate=round(rate * case.part),
            size=case.size,
        )
        stack.push_async_callback(fleet.stop)
        await fleet.start()
        before = await _calm(fleet)
        wrong = _calm_wrongs(before, Account(0, 0, 0, 0), "before the fault")
        fleet.begin_load()
        await asyncio.sleep(random.uniform(0.5, 1.5))
        await case.fault(fleet, setup, random)
        began = time.monotonic()
        await asyncio.gather(*[worker.until_ready() for worker in fleet.living])
        ready = time.monotonic() - began
        await asyncio.sleep(CALM)
        await fleet.end_load()
        during = await _settled(fleet)
        wrong += during.wrong
        account = await _calm(fleet)
        wrong += _calm_wrongs(account, during, "after the fault")
        growth = max(worker.peak - worker.first for worker in fleet.living)
        if fleet.closed:
            wrong.append(f"{fleet.closed} clients were disconnected")
        if growth > MAX_GROWTH:
            wrong.append(f"the memory of a node grew by {growth / 1e6:.0f} MB")
        wrong += fleet.ledger.differences(fleet.clients())
        return Result(name, account, ready, fleet.closed, growth, wrong)


def _worker(number: int, setup: Setup) -> Worker:
    address = setup.addresses[number % len(setup.addresses)]
    if setup.link is not None and number == NODES - 1:
        address = setup.link.address(address, setup.server.port)
        return Worker(number, address, setup.link.prefix, setup.link.host)
    return Worker(number, address)


async def _calm(fleet: Fleet) -> Account:
    """Publish without a fault, and add up."""
    fleet.begin_load()
    await asyncio.sleep(CALM)
    await fleet.end_load()
    return await _settled(fleet)


def _calm_wrongs(account: Account, earlier: Account, when: str) -> list[str]:
    """Return what is wrong with a time without a fault: much was published, and all of it was received."""
    wrong = [f"{when}: {sentence}" for sentence in account.wrong]
    if account.published - earlier.published < 100:
        wrong.append(f"{when} only {account.published - earlier.published} messages were due")
    if account.counted != earlier.counted:
        wrong.append(f"{when} {account.counted - earlier.counted} messages were lost")
    return wrong


async def _settled(fleet: Fleet) -> Account:
    """Return the account, once it adds up and stands still, or after a minute."""
    end = time.monotonic() + PATIENCE
    last: Account | None = None
    while True:
        states = await fleet.states()
        account = fleet.ledger.account(
            {node: state["published"] for node, state in states.items()},
            {node: state["missed"] for node, state in states.items()},
            fleet.clients(),
        )
        if (account == last and not account.wrong) or time.monotonic() > end:
            return account
        last = account
        await asyncio.sleep(0.5)


def main() -> None:
    """Run the chosen cases, and print a table."""
    parser = argparse.ArgumentParser(
        prog="scripts/faults", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=int, default=200, help="broadcasts a second of each node")
    options = parser.parse_args()
    unknown = [name for name in options.cases if name not in CASES]
    if unknown:
        parser.error(f"no such case: {', '.join(unknown)}; the cases are {', '.join(CASES)}")
    failed = False
    print("| case | fault | due | received | counted | unknown | ready after | closed | growth | |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|---|", flush=True)
    for name in options.cases or CASES:
        case = CASES[name]
        if case.is_root and os.geteuid() != 0:
            print(f"| {name} | {case.means} | needs root | | | | | | | skipped |", flush=True)
            continue
        print(f"{name}: {case.means}", file=sys.stderr, flush=True)
        result = asyncio.run(run(name, case, options.seed, options.rate))
        account = result.account
        failed = failed or bool(result.wrong)
        print(
            f"| {name} | {case.means} | {account.published:,} | {account.received:,}"
            f" | {account.counted:,} | {account.unknown} | {result.ready:.1f} s | {result.closed}"
            f" | {result.growth / 1e6:.0f} MB | {'wrong' if result.wrong else 'adds up'} |",
            flush=True,
        )
        for sentence in result.wrong[:10]:
            print(f"  {sentence}", file=sys.stderr, flush=True)
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
