"""Results that are kept for the next time, bounded by their size and not only by their number."""

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
"""Bytes of an entry besides its texts."""


def kept(most_bytes: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Keep what a function of texts returns, as ``functools.lru_cache`` does; any thread may call it.

    Args:
        most_bytes: of arguments and results that are kept in all; what was used longest ago goes first.
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
