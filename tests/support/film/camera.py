"""Films a browser page: few pictures, each held for a while, with a pointer, which headless Chromium draws none of.

Between two pictures the page has all the time that it needs; the film does not show it.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Locator, Page

WIDTH, HEIGHT, CAPTION = 1040, 690, 36
"""CSS pixels of the page, and of the line below it."""

SCALE = 1.5
"""Pixels of the film for a CSS pixel."""

STEP = 40
"""Milliseconds of a picture in which something moves."""

_ARROW = ((0, 0), (0, 16.5), (3.8, 13), (6.4, 19), (9, 17.9), (6.4, 12), (11.6, 12))
_INK, _PAPER, _PRESSED = "#111827", "#ffffff", "#1660b0"
_FINER = 4  # edges are smooth if drawn this much larger, then reduced

_PLACE = """(element, text) => {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const letters = [];
  while (walker.nextNode()) {
    [...walker.currentNode.data].forEach((_, index) => letters.push([walker.currentNode, index]));
  }
  const start = letters.map(([node, index]) => node.data[index]).join("").indexOf(text);
  const range = document.createRange();
  range.setStart(...letters[start]);
  const [last, index] = letters[start + text.length - 1];
  range.setEnd(last, index + 1);
  const { left, right, top, bottom } = range.getBoundingClientRect();
  return [left, right, (top + bottom) / 2];
}"""
"""Where a passage of one line begins and ends."""


@dataclass
class Camera:
    """The film of a page.

    Attributes:
        page: what is filmed; its viewport is ``WIDTH`` x ``HEIGHT`` and its scale ``SCALE``.
        caption: the line below the page from now on.
        pictures: the film, with the milliseconds of each picture.
    """

    page: Page
    caption: str = ""
    pictures: list[tuple[Image.Image, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._at = (WIDTH * 0.6, HEIGHT * 0.7)
        self._arrow = _drawn(_ARROW)

    def hold(self, seconds: float) -> None:
        """Show the page as it is now."""
        self._add(self._page(), round(seconds * 1000))

    def move(self, x: float, y: float) -> None:
        """Move the pointer there, slower at the end."""
        page, (left, top) = self._page(), self._at
        steps = 6 + round(((x - left) ** 2 + (y - top) ** 2) ** 0.5 / 80)
        for step in range(1, steps + 1):
            way = 1 - (1 - step / steps) ** 3
            self._at = (left + (x - left) * way, top + (y - top) * way)
            self._add(page, STEP)
        self.page.mouse.move(x, y)

    def click(self, target: Locator, *, clicks: int = 1) -> None:
        """Move to an element, and press it; it is scrolled into sight if need be."""
        target.scroll_into_view_if_needed()
        box = target.bounding_box()
        if box is None:
            raise RuntimeError(f"{target} is not shown")
        self.move(box["x"] + min(box["width"], 240) / 2, box["y"] + box["height"] / 2)
        self._add(self._page(), 160, pressed=True)
        self.page.mouse.click(*self._at, click_count=clicks)

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        for start in range(0, len(text), 2):
            self.page.keyboard.type(text[start : start + 2])
            self.hold(0.07)

    def select(self, within: Locator, text: str) -> None:
        """Select a passage of an element with the mouse."""
        left, right, y = within.evaluate(_PLACE, text)
        self.move(left, y)
        self.page.mouse.down()
        for step in range(1, 7):
            self._at = (left + (right - left) * step / 6, y)
            self.page.mouse.move(*self._at)
            self.hold(0.06)
        self.page.mouse.up()

    def scroll(self, down: float) -> None:
        """Turn the mouse's wheel by so many CSS pixels."""
        for _ in range(8):
            self.page.mouse.wheel(0, down / 8)
            self.hold(0.06)

    @property
    def seconds(self) -> float:
        """How long the film is."""
        return sum(milliseconds for _, milliseconds in self.pictures) / 1000

    def save(self, file: Path) -> None:
        """Write the film as an animated WebP that begins again at its end."""
        first, *others = [picture for picture, _ in self.pictures]
        first.save(
            file,
            save_all=True,
            append_images=others,
            duration=[milliseconds for _, milliseconds in self.pictures],
            loop=0,
            lossless=True,
            quality=100,  # the effort, not the quality
            method=6,
            kmax=0,  # no whole pictures between those that have only what has changed
        )

    def _page(self) -> Image.Image:
        shot = self.page.screenshot(caret="initial")
        return Image.open(io.BytesIO(shot)).convert("RGB")

    def _add(self, page: Image.Image, milliseconds: int, *, pressed: bool = False) -> None:
        picture = Image.new("RGB", (page.width, page.height + round(CAPTION * SCALE)), _INK)
        picture.paste(page)
        pen = ImageDraw.Draw(picture)
        font = ImageFont.load_default(size=16 * SCALE)
        pen.text((16 * SCALE, page.height + CAPTION * SCALE / 2), self.caption, _PAPER, font, anchor="lm")
        x, y = (round(place * SCALE) for place in self._at)
        if pressed:
            pen.ellipse((x - 18, y - 18, x + 18, y + 18), outline=_PRESSED, width=4)
        picture.paste(self._arrow, (x, y), self._arrow)
        self.pictures.append((picture, milliseconds))


def _drawn(outline: tuple[tuple[float, float], ...]) -> Image.Image:
    """An arrow with a light edge, whose tip is the upper left corner."""
    size = SCALE * _FINER
    large = Image.new("RGBA", (round(16 * size), round(24 * size)))
    points = [((x + 1) * size, (y + 1) * size) for x, y in outline]
    ImageDraw.Draw(large).polygon(points, _INK, _PAPER, round(1.4 * size))
    return large.resize((round(16 * SCALE), round(24 * SCALE)), Image.Resampling.LANCZOS)
