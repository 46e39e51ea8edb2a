"""The third demo's work: a description of each product for the shop.

It stands where a language model would, and makes the mistakes that its material invites: it takes the list price
of what is on offer, copies a supplier's boast, and runs too long where the supplier does. It mends what the
feedback names.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from demo.feedback import own_words

DATA = Path(__file__).parent / "data" / "products.csv"
FILLERS = {"a", "and", "or", "that", "the", "word", "words"}


@dataclass(frozen=True)
class Product:
    """One line of the file; prices in euros, as written there."""

    sku: str
    name: str
    list_price: str
    price: str
    notes: str


def read(path: Path = DATA) -> list[Product]:
    """Read the file."""
    with path.open(newline="", encoding="utf-8") as file:
        return [Product(**row) for row in csv.DictReader(file)]


def task_for(product: Product) -> str:
    """What the agent is asked."""
    return f"Describe {product.sku}, {product.name}, for the shop."


def described_in(draft: str, products: Iterable[Product]) -> Product:
    """Whose draft it is."""
    return next(product for product in products if draft.startswith(f"**{product.name}**"))


def write(product: Product, feedbacks: Iterable[str] = ()) -> str:
    """Write the description as Markdown, after all ``feedbacks`` so far."""
    told = [own_words(feedback) for feedback in feedbacks]
    asked = " ".join(told).lower()
    unwanted = {word for words in re.findall(r"(?:leave out|without)([^.;]*)", asked) for word in _words(words)}
    sentences = [s for s in re.split(r"(?<=\.) ", product.notes) if not (unwanted - FILLERS) & _words(s)]
    if "short" in asked:
        sentences = sentences[:2]
    price = product.price if "price" in asked else product.list_price
    text = f"**{product.name}**\n\n{' '.join(sentences)} Yours for €{price}."
    if told and not re.search(r"leave out|without|short|price", told[-1], re.IGNORECASE):
        text += f"\n\n> I did not understand: “{told[-1]}”. Try *shorter*, *leave out: best*, *the price*."
    return text


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))
