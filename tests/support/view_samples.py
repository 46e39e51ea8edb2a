"""Outputs as agents make them, one for each kind of view: for pictures and for browser tests."""

from __future__ import annotations

import json
from typing import Any

REPORT = """# Revenue in Q3

Revenue **rose by 6.6 %** to €66,180, led by the north. The margin held[^1].

| Region | Revenue | Change | Note |
|---|---|---|---|
| North | 31,200 | +12.4 % | new customers in Oslo |
| South | 20,480 | −1.9 % | one contract ended |
| East | 14,500 | +3.0 % | |

## What follows

- [x] Invoice Oslo
- [ ] Ask the south for their plan

The trend is $r_t = \\frac{1}{n}\\sum_{i=1}^{n} x_i$, and over the year

$$
\\hat{y} = \\beta_0 + \\beta_1 x + \\varepsilon
$$

```python
def margin(revenue: float, cost: float) -> float:
    return 1 - cost / revenue  # as in the annual report
```

![Revenue by region](https://charts.example/q3.png)

[^1]: Before taxes, as in the annual report.
"""

PYTHON = '''"""Clean the orders of a day."""

import pandas as pd


class Orders:
    """All orders; one row each."""

    def __init__(self, path: str, *, tax_rate: float = 0.19) -> None:
        self.path, self.tax_rate = path, tax_rate
        self._frame: pd.DataFrame | None = None

    def load(self) -> pd.DataFrame:
        if self._frame is None:  # read once
            self._frame = pd.read_csv(self.path)
            self._frame["net"] = self._frame["gross"] / (1 + self.tax_rate)
        return self._frame
'''

SQL = """-- revenue by region, the best first
SELECT r.name AS region,
       SUM(o.amount) AS revenue,
       COUNT(*) FILTER (WHERE o.returned) AS returned
FROM orders AS o
JOIN regions AS r ON r.id = o.region_id
WHERE o.ordered_at >= DATE '2026-07-01'
GROUP BY r.name
ORDER BY revenue DESC
LIMIT 10;
"""

NESTED = {
    "title": "Quarterly review",
    "regions": [
        {
            "name": "North",
            "revenue": 31200,
            "cities": ["Oslo", "Bergen"],
            "lead": {"name": "Ann", "since": 2024},
        },
        {"name": "South", "revenue": 20480.5, "cities": [], "lead": None},
    ],
    "approved": False,
    "summary": "Revenue rose.\nThe margin held.",
    "id": 12345678901234567890,
}


def records(count: int) -> list[dict[str, Any]]:
    """Flat objects."""
    cities = ("Oslo", "Bergen", "Rome", "Turin", "Kraków")
    return [
        {
            "id": number,
            "customer": f"Customer {number * 7 % count}",
            "city": cities[number % 5],
            "revenue": round(number * 13.57 % 5000, 2),
            "active": number % 3 == 0,
            "note": None if number % 4 else "asked for an invoice in two parts, and for a copy by mail",
        }
        for number in range(count)
    ]


SAMPLES: dict[str, dict[str, Any]] = {
    "markdown": {
        "outputs": [
            REPORT.replace("6.6", "6.1")
            .replace("20,480", "20,840")
            .replace("- [ ] Ask the south for their plan\n", ""),
            REPORT,
        ],
        "feedback": ["Check the south's figure, and say what follows from it."],
    },
    "python": {
        "outputs": [PYTHON.replace("0.19", "0.2").replace("  # read once", ""), PYTHON],
        "feedback": ["The tax rate is 19 %."],
    },
    "sql": {"outputs": [SQL]},
    "records": {"outputs": [json.dumps(records(40))], "format": "json"},
    "many records": {"outputs": [json.dumps(records(10_000))], "format": "json"},
    "nested": {
        "outputs": [
            json.dumps(NESTED).replace("31200", "30120").replace('"Bergen"', '"Bodø"'),
            json.dumps(NESTED),
        ],
        "feedback": ["The north had 31,200, in Oslo and Bergen."],
        "format": "json",
    },
    "text": {"outputs": ["\n".join(f"10:{n:02}:00  INFO   step_{n} took {n * 7 % 60:>3} ms" for n in range(30))]},
    "long line": {"outputs": ["word_" * 20_000]},
    "300 KB": {"outputs": [("A paragraph of __plain__ words about revenue and cost.\n\n" * 5_400)]},
    "html": {
        "outputs": ['<!DOCTYPE html>\n<html>\n<body onload="alert(1)">\n  <h1>Offer</h1>\n</body>\n</html>\n']
    },
    "250 lines": {
        "outputs": ["\n".join(f"{n}. Item {n} with a [link](https://a.example/{n})" for n in range(1, 251))]
    },
}
"""Reviews by the kind of their current output, in the form that ``tests.support.seed_pages`` takes."""
