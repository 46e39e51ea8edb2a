"""Parts of a page that are made of the code: they stand between two marks, which nobody sees."""

from __future__ import annotations

import re


def part(name: str, page: str) -> str:
    """The part of a page that is made of the code.

    Raises:
        ValueError: the page has no such marks, or has them twice.
    """
    return _found(name, page).group("part")


def put(name: str, new: str, page: str) -> str:
    """The page with another part between its marks."""
    found = _found(name, page)
    return f"{page[: found.start('part')]}{new}{page[found.end('part') :]}"


def _found(name: str, page: str) -> re.Match[str]:
    pattern = rf"<!-- {re.escape(name)}: begin -->\n(?P<part>.*?)<!-- {re.escape(name)}: end -->"
    found = list(re.finditer(pattern, page, re.DOTALL))
    if len(found) != 1:
        raise ValueError(f"The page needs the marks {name!r} once; they are there {len(found)} times.")
    return found[0]
