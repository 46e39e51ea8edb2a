"""Review an output of a declared type: the reviewer can edit it in a form, and the task checks the edit."""

from __future__ import annotations

from datetime import date
from enum import Enum
from typing import Any

from airflow.sdk import dag, task
from pydantic import BaseModel, Field, model_validator


class Category(str, Enum):
    """What an expense was for."""

    TRAVEL = "travel"
    MEALS = "meals"
    EQUIPMENT = "equipment"


class Expense(BaseModel):
    """One receipt."""

    what: str = Field(min_length=1)
    category: Category
    euros: int = Field(gt=0)
    reimbursed: bool = True


class Claim(BaseModel):
    """Expenses of one person."""

    person: str
    pay_on: date
    expenses: list[Expense] = Field(min_length=1)
    total: int = Field(description="In euros")
    note: str | None = None

    @model_validator(mode="after")
    def total_is_the_sum(self) -> Claim:
        """What a JSON Schema cannot say; only the task can check it."""
        total = sum(one.euros for one in self.expenses if one.reimbursed)
        if self.total != total:
            raise ValueError(f"the total is {self.total}, but the expenses add up to {total}")
        return self


def read_receipts() -> Claim:
    """In place of a model that reads receipts; it takes the train for a meal."""
    expenses = [
        Expense(what="Train to Bergen", category=Category.MEALS, euros=84),
        Expense(what="Dinner with the team", category=Category.MEALS, euros=132),
        Expense(what="Keyboard", category=Category.EQUIPMENT, euros=95),
    ]
    return Claim(person="Ada", pay_on=date(2026, 3, 31), expenses=expenses, total=311)


@dag(schedule=None, catchup=False, tags=["example", "hitl-review"])
def example_hitl_review_typed() -> None:
    """An expense claim, reviewed and perhaps edited; then it is paid. If it is rejected, paying it is skipped."""

    @task.hitl_review(
        prompt="Expense claim of Ada: is each expense in the right category?",
        output_type=Claim,
        on_reject="skip",
    )
    def claim(feedback: str | None = None, history: list[dict[str, Any]] | None = None) -> Claim:
        """Make the claim; asked for changes, go on from the last one, which the reviewer may have edited."""
        if not history:
            return read_receipts()
        last = Claim.model_validate(history[-1]["content"])
        return last.model_copy(update={"note": feedback})

    @task
    def pay(approved: dict[str, Any]) -> str:
        """Gets the approved claim as JSON values. Skipped, if the claim was rejected."""
        claim = Claim.model_validate(approved)
        travel = sum(one.euros for one in claim.expenses if one.category is Category.TRAVEL)
        return f"{claim.person} gets €{claim.total} on {claim.pay_on:%d %B}, €{travel} of it for travel."

    @task(trigger_rule="none_failed")
    def close() -> None:
        """Runs after a payment, and after a rejection; with the usual rule, it would be skipped with ``pay``."""

    pay(claim()) >> close()


example = example_hitl_review_typed()
