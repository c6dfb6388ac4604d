"""The client in the terminal, ``bennu console``: commands, what they do, and how it is shown."""

from .completion import Completer
from .happenings import Happening
from .prompt import run_prompt
from .rendering import as_json, as_text
from .script import lines_of_stdin, run_script
from .session import ConsoleSession

__all__ = [
    "Completer",
    "ConsoleSession",
    "Happening",
    "as_json",
    "as_text",
    "lines_of_stdin",
    "run_prompt",
    "run_script",
]
