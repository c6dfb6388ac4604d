"""How long a suite of channel tests takes with the test kit: pytest runs it in a process of its own.

    python -m benchmarks.kit                 # 200 tests
    python -m benchmarks.kit --hours 1       # and in each of them an hour passes for two clients

Each test connects two clients, joins, pushes, and checks a reply, a broadcast and a leave.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

HEAD: Final = """\
from bennu import Channel, Endpoint, Ok, Socket, on
from bennu.testing import connect


class Room(Channel[str]):
    number: int

    @on("say")
    async def say(self, payload: dict[str, str]) -> Ok:
        await self.broadcast("said", payload)
        return Ok()


socket = Socket(connect=lambda params: "ann", channels={"room:{number}": Room})
endpoint = Endpoint(sockets={"/socket": socket})
"""

TEST: Final = """

async def test_{number}(clock):
    async with connect(endpoint, "/socket") as ann, connect(endpoint, "/socket") as bob:
        ann_in_room = await ann.join("room:{number}")
        bob_in_room = await bob.join("room:{number}")
        await ann_in_room.push("say", {{"body": "hi"}}).assert_reply()
        await bob_in_room.assert_push("said", {{"body": "hi"}})
        await clock.advance({seconds})
        await bob_in_room.leave()
"""


def main() -> None:
    """Run the suite, and print how long it took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tests", type=int, default=200)
    parser.add_argument("--hours", type=float, default=0.0, help="virtual hours in each test")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        tests = (
            TEST.format(number=number, seconds=3600 * options.hours)
            for number in range(options.tests)
        )
        Path(folder, "test_suite.py").write_text(HEAD + "".join(tests))
        Path(folder, "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--rootdir", folder, folder],
            cwd=folder,
            check=False,
            capture_output=True,
            text=True,
        )
        seconds = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(done.stdout.strip().splitlines()[-1])
    print(f"{seconds:.1f} s, of which the process computed {used.ru_utime + used.ru_stime:.1f} s")
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
