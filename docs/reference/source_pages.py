"""A hook of MkDocs: files outside the site that a page links to are shown in it.

On GitHub such a link opens the file where it is. In the site it leads to a page with the file's text, so that
nothing is loaded from elsewhere, and a link to a file that is gone fails the build.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_LINK = re.compile(r"(?<=\]\()(?P<path>[^)\s#:]+)(?P<rest>#[^)\s]*)?(?=\))")
_LANGUAGES = {".py": "python", ".json": "json"}
_ASSETS = {".md", ".png", ".svg", ".webp", ".json"}
"""Of the site's own files, those that it can show or hand out as they are."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each source file that some page links to."""
    docs = Path(config.docs_dir)
    wanted: dict[str, Path] = {}
    for file in files.documentation_pages():
        if file.abs_src_path is None:
            continue
        for link in _LINK.finditer(Path(file.abs_src_path).read_text(encoding="utf-8")):
            if (path := _source(docs, file.src_uri, link["path"])) is not None:
                wanted[_page_of(docs, path)] = path
    for uri, path in wanted.items():
        files.append(File.generated(config, uri, content=_show(docs, path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Have links to source files lead to their pages."""
    docs, here = Path(config.docs_dir), page.file.src_uri

    def lead(link: re.Match[str]) -> str:
        path = _source(docs, here, link["path"])
        if path is None:
            return link[0]
        return posixpath.relpath(_page_of(docs, path), posixpath.dirname(here) or ".")

    return _LINK.sub(lead, markdown)


def _source(docs: Path, here: str, link: str) -> Path | None:
    """The file that a link of a page leads to, if the site has no place for it; None for all other links."""
    path = (docs / posixpath.dirname(here) / link).resolve()
    inside = path.is_relative_to(docs)
    if not path.is_file() or not path.is_relative_to(docs.parent) or (inside and path.suffix in _ASSETS):
        return None
    return path


def _page_of(docs: Path, path: Path) -> str:
    return f"source/{PurePosixPath(path.relative_to(docs.parent))}.md"


def _show(docs: Path, path: Path) -> str:
    text, name = path.read_text(encoding="utf-8"), path.relative_to(docs.parent).as_posix()
    if path.suffix == ".md":
        return text
    fence = "`" * 4
    return f"# {name}\n\n{fence}{_LANGUAGES.get(path.suffix, 'text')}\n{text.rstrip()}\n{fence}\n"
