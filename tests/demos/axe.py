"""axe-core: checks a page for labels, roles, contrast and other rules of WCAG 2.2 AA."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from playwright.async_api import Page

__all__ = ["check_accessible"]

AXE: Final = Path(__file__).parents[1] / "interop/js/node_modules/axe-core/axe.min.js"
RULES: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")


@cache
def _source() -> str:
    return AXE.read_text()


async def check_accessible(page: Page) -> None:
    """Check the page as it is now, without motion: a text that fades out has no contrast at the end.

    Raises:
        AssertionError: A rule is broken; the text names the rule and the elements.
    """
    await page.emulate_media(reduced_motion="reduce")
    await page.evaluate(_source())  # a script element would be blocked by the page's policy
    found = await page.evaluate(
        """async (rules) => {
            const { violations } = await axe.run({ runOnly: rules });
            return violations.map(({ id, help, nodes }) =>
                `${id}: ${help}\\n` + nodes.map((node) => `    ${node.html}\\n      ${node.failureSummary}`).join("\\n"));
        }""",
        list(RULES),
    )
    await page.emulate_media(reduced_motion="null")
    assert not found, "\n".join(found)
