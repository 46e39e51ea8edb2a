"""A result cache bounded by size, not only by number of entries."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R", str, "tuple[str, str]")


_PER_ENTRY = 500
"""Overhead of an entry in bytes, besides its texts."""


def kept(most_bytes: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Cache the results of a function of texts, like ``functools.lru_cache``. Thread-safe.

    Args:
        most_bytes: maximum total bytes of cached arguments and results; evicts the least recently used.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        found: OrderedDict[object, tuple[R, int]] = OrderedDict()
        lock = threading.Lock()
        kept_bytes = 0

        @wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            nonlocal kept_bytes
            key = (args, tuple(sorted(kwargs.items())))
            with lock:
                if key in found:
                    found.move_to_end(key)
                    return found[key][0]
            result: R = function(*args, **kwargs)
            made: tuple[str, ...] = result if isinstance(result, tuple) else (result,)
            texts: list[object] = [*args, *kwargs.values(), *made]
            size = _PER_ENTRY + sum(sys.getsizeof(text) for text in texts)
            with lock:
                if key not in found and size <= most_bytes:
                    found[key] = (result, size)
                    kept_bytes += size
                while kept_bytes > most_bytes:
                    kept_bytes -= found.popitem(last=False)[1][1]
            return result

        return wrapper

    return decorate
