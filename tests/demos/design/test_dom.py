"""The helpers of the pages, in Node."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

import bennu_demos
from tests.support.node import node_path

DOM = Path(bennu_demos.__file__).parent / "design" / "dom.js"


def isolated(text: str) -> str:
    """Return what a page puts into a sentence for this text."""
    script = f"""
      import {{ isolated }} from {json.dumps(DOM.as_uri())};
      console.log(JSON.stringify(isolated({json.dumps(text)})));
    """
    command = [str(node_path()), "--input-type=module", "--eval", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout))


@pytest.mark.parametrize("text", ["ليلى", "Anna לוי", "𞤀𞤣𞤤𞤢𞤥", "Bo\u202e"])
def test_what_is_written_from_right_to_left_does_not_turn_the_sentence_around_it(text: str) -> None:
    assert isolated(text) == f"\u2068{text}\u2069"


@pytest.mark.parametrize("text", ["Ann Lee", "Çiğdem", "李小龙", "12 × 😀", ""])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert isolated(text) == text
