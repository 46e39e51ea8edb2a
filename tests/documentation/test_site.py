"""The site builds without warnings: all links and anchors resolve. It loads nothing from other hosts."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from hitl_notebook import Client
from tests.documentation.pages import PAGES, ROOT

LOADING = {
    **dict.fromkeys(("audio", "embed", "iframe", "img", "input", "script", "source", "track", "video"), "src"),
    "link": "href",
    "object": "data",
}
"""Elements that load something, and the attribute with its URL; links that people follow do not count."""

STYLE_LOADS = re.compile(r"url\(\s*['\"]?([^)'\"]+)|@import\s+['\"]([^'\"]+)")
ELSEWHERE = re.compile(r"(?i)\s*(https?:)?//")


class Loads(HTMLParser):
    """Collects what a page loads from other hosts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        address = given.get(LOADING.get(tag, "")) or ""
        if ELSEWHERE.match(address):
            self.found.append(f"<{tag}> {address}")


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_each_page_is_built(site: Path) -> None:
    for name in PAGES:
        assert (site / name).with_suffix(".html").is_file()


def test_linked_source_files_are_rendered(site: Path) -> None:
    shown = (site / "source" / "docs" / "examples" / "receive_flask.py.html").read_text(encoding="utf-8")
    assert "MAX_CONTENT_LENGTH" in shown
    assert "source/docs/examples/receive_flask.py.html" in (site / "webhooks.html").read_text(encoding="utf-8")


def test_python_reference_has_all_methods_of_the_client(site: Path) -> None:
    html = (site / "python.html").read_text(encoding="utf-8")
    for name in dir(Client):
        assert name.startswith("_") or f'id="hitl_notebook.Client.{name}"' in html, name


def test_site_loads_nothing_from_other_hosts(site: Path) -> None:
    for path in site.rglob("*.html"):
        loads, html = Loads(), path.read_text(encoding="utf-8")
        loads.feed(html)
        assert not loads.found, path.name
        # The theme's script would fetch Mermaid for diagrams.
        assert 'class="mermaid"' not in html, path.name
    for path in site.rglob("*.css"):
        addresses = STYLE_LOADS.findall(path.read_text(encoding="utf-8"))
        assert not [a or b for a, b in addresses if ELSEWHERE.match(a or b)], path.name


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_in_root_documents(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        assert ELSEWHERE.match(target) or (ROOT / target).exists(), target
