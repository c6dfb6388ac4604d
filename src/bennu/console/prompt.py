"""The console in a terminal: a line to write commands in, above which appears what happens."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .commands import COMMANDS, WrongCommand, parse
from .session import ConsoleSession

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.document import Document

__all__ = ["history_file", "run_prompt"]

FOLDER: Final = "bennu"
FILE: Final = "console-history"


def history_file() -> Path:
    """Return the file of the lines that were written before, and make its folder. Only its owner can read both."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    folder = Path(state) / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / FILE
    file.touch(mode=0o600)
    return file


def is_kept(line: str) -> bool:
    """Return whether a line goes into the history. Lines that can have a secret, or begin with a space, do not."""
    return not line.startswith((" ", "connect "))


def prompt_session(session: ConsoleSession, **options: Any) -> PromptSession[str]:
    """Return the line, with history and completion.

    Args:
        session: The console.
        options: More options of prompt_toolkit: an input and an output.
    """
    # Only a terminal needs the package, and its import takes a tenth of a second.
    from prompt_toolkit import PromptSession  # noqa: PLC0415
    from prompt_toolkit.auto_suggest import AutoSuggestFromHistory  # noqa: PLC0415
    from prompt_toolkit.completion import Completer, Completion  # noqa: PLC0415
    from prompt_toolkit.history import FileHistory, History, InMemoryHistory  # noqa: PLC0415

    class Words(Completer):
        def get_completions(self, document: Document, complete_event: Any) -> Iterable[Completion]:
            del complete_event
            word, found = session.completer.candidates(document.text_before_cursor)
            for one in found:
                help_of = COMMANDS.get(one) if document.text_before_cursor == word else None
                yield Completion(one, -len(word), display_meta=help_of.text if help_of else "")

    class Unsecret(FileHistory):
        def store_string(self, string: str) -> None:
            if is_kept(string):
                super().store_string(string)

    history: History
    try:
        history = Unsecret(str(history_file()))
    except OSError:  # a home without room for a file
        history = InMemoryHistory()
    return PromptSession(
        history=history,
        completer=Words(),
        complete_while_typing=False,
        auto_suggest=AutoSuggestFromHistory(),
        **options,
    )


async def run_prompt(session: ConsoleSession, **options: Any) -> None:
    """Execute the lines that are written in the terminal, until ``quit`` or Ctrl-D.

    Ctrl-C forgets the line that is being written, or ends the wait of the command that runs.
    """
    from prompt_toolkit.formatted_text import FormattedText  # noqa: PLC0415 - as above
    from prompt_toolkit.patch_stdout import patch_stdout  # noqa: PLC0415 - as above

    line_of = prompt_session(session, **options)
    name = session.url.partition("://")[2].partition("?")[0].rpartition("@")[2]

    def prompt() -> FormattedText:
        return FormattedText([("ansigreen" if session.is_open else "ansired", name), ("", "> ")])

    with patch_stdout(raw=True):
        while True:
            try:
                line = await line_of.prompt_async(prompt, refresh_interval=1)
            except KeyboardInterrupt:
                continue
            except EOFError:
                return
            try:
                command = parse(line)
            except WrongCommand as error:
                session.fail(line, str(error))
                continue
            if command is None:
                continue
            if command.name == "quit":
                return
            await _interruptible(session, command, line)


async def _interruptible(session: ConsoleSession, command: Any, line: str) -> None:
    """Execute a command, until Ctrl-C."""
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(session.execute(command, line.strip()))
    with suppress(NotImplementedError):  # Windows
        loop.add_signal_handler(signal.SIGINT, task.cancel)
    try:
        await asyncio.wait((task,))
    finally:
        with suppress(NotImplementedError):
            loop.remove_signal_handler(signal.SIGINT)
    if task.cancelled():
        session.fail(line.strip(), "interrupted")
    else:
        task.result()
