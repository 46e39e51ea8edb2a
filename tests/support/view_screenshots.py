"""Make the pictures of the views in ``docs/pictures``: ``python -m tests.support.view_screenshots``.

They are of the live page, with outputs made for each view: light at 1440, dark at 760, light at 420 pixels, as on
a phone. Needs Chromium.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect

from demo.stack import ROOT
from tests.conftest import DAGS
from tests.pages.stage import People, open_chromium, stage_on
from tests.support import browser
from tests.support.api_server import review_server
from tests.support.view_samples import SAMPLES

PICTURES = ROOT / "docs" / "pictures"
VIEWS = ("markdown", "python", "sql", "records", "nested", "html", "text")
WAYS = {"light": (1440, "light"), "dark": (760, "dark"), "narrow": (420, "light")}


def main(folder: Path = PICTURES, names: tuple[str, ...] = VIEWS) -> None:
    """Take a picture of each view in each way."""
    chromium = browser.find_chromium()
    if chromium is None:
        raise SystemExit("No Chromium on this machine (Debian: apt-get install chromium).")
    home = Path(tempfile.mkdtemp(prefix="hitl-shots-")) / "airflow"
    with review_server(home, DAGS, "") as server, stage_on(server) as stage, open_chromium(chromium) as running:
        people = People(stage, running)
        keys = {name: stage.one(prompt=f"The {name} of the quarter", **SAMPLES[name]) for name in names}
        for way, (width, scheme) in WAYS.items():
            page = people.page("ann", viewport={"width": width, "height": 900}, color_scheme=scheme)
            for name, key in keys.items():
                page.goto(stage.chat(key))
                shoot(page, folder / f"view-{name.replace(' ', '-')}-{way}.png")
        people.close()


def shoot(page: Page, file: Path) -> None:
    """Take a picture of the page without the decision, which lies over the output."""
    expect(page.get_by_label("Shown as")).to_be_visible()
    page.evaluate("document.getElementById('decision').remove()")
    width, height = page.evaluate("[innerWidth, Math.min(1500, document.documentElement.scrollHeight)]")
    page.screenshot(path=file, full_page=True, clip={"x": 0, "y": 0, "width": width, "height": height})


if __name__ == "__main__":
    main()
