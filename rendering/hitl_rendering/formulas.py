"""LaTeX formulas as MathML, which browsers show without a script."""

from __future__ import annotations

from html import escape
from xml.etree import ElementTree

from latex2mathml.converter import convert

from hitl_rendering.plain_text import inline

_MAX_LENGTH = 2_000
"""Maximum characters of a formula; a longer one is shown as it was written."""
_MAX_DEPTH = 60

_PREFIX = "{http://www.w3.org/1998/Math/MathML}"
_TAGS = {
    *(
        "math",
        "menclose",
        "mfrac",
        "mi",
        "mmultiscripts",
        "mn",
        "mo",
        "mover",
        "mpadded",
        "mphantom",
        "mprescripts",
    ),
    *("mroot", "mrow", "mspace", "msqrt", "mstyle", "msub", "msubsup", "msup", "mtable", "mtd", "mtext", "mtr"),
    *("munder", "munderover", "none"),
}
_ATTRIBUTES = {
    *("accent", "columnalign", "columnspacing", "depth", "display", "displaystyle", "fence", "form", "height"),
    *("linethickness", "lspace", "mathsize", "mathvariant", "maxsize", "minsize", "movablelimits", "notation"),
    *("rowspacing", "rspace", "scriptlevel", "separator", "stretchy", "symmetric", "width"),
}


def formula(latex: str, *, display: bool) -> str:
    """Render a formula as MathML; as it was written if it is none that we can read.

    Args:
        latex: the formula, without its delimiters.
        display: whether it stands on lines of its own.
    """
    try:
        if len(latex) > _MAX_LENGTH:
            raise ValueError
        made = convert(latex.strip(), display="block" if display else "inline")
        mathml = _cleaned(ElementTree.fromstring(made), 0)  # noqa: S314 - without a DTD, nothing can expand
    except Exception:  # noqa: BLE001 - the converter raises errors of many kinds for what it does not know
        return f'<code class="hitl-formula">{inline(latex)}</code>'
    return f'<span class="hitl-formula{" is-display" if display else ""}">{mathml}</span>'


def _cleaned(element: ElementTree.Element, depth: int) -> str:
    """Write an element with known tags and attributes alone: the converter does not escape text in all places."""
    if depth > _MAX_DEPTH:
        raise ValueError
    tag = element.tag.removeprefix(_PREFIX)
    inner = escape(element.text or "") + "".join(
        _cleaned(child, depth + 1) + escape(child.tail or "") for child in element
    )
    if tag not in _TAGS:
        return inner
    attributes = "".join(
        f' {name}="{escape(value)}"' for name, value in element.attrib.items() if name in _ATTRIBUTES
    )
    return f"<{tag}{attributes}>{inner}</{tag}>"
