"""Tenge: a decimal string with its currency at the doors, integer tiyn inside (1 tenge = 100 tiyn)."""

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, StringConstraints, WithJsonSchema

from shared.forms import Form, View, wrong

CURRENCY = "KZT"

_AMOUNT = re.compile(r"[0-9]{1,13}(\.[0-9]{1,2})?", re.ASCII)


def _amount(value: Any) -> str:
    """A JSON number is taken by its written form, so 0.1 stays 0.1; three decimals are refused."""
    text = value if isinstance(value, str) else str(value) if type(value) in (int, float) else ""
    if not _AMOUNT.fullmatch(text):
        raise wrong("not_an_amount")
    return text


class Money(Form):
    """An amount of tenge at the doors: a decimal string; inside it is an integer of tiyn."""

    amount: Annotated[
        str,
        BeforeValidator(_amount),
        WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,13}(\.[0-9]{1,2})?$", "examples": ["12500.00"]}),
    ]
    currency: Annotated[str, StringConstraints(pattern="^KZT$")] = "KZT"

    @property
    def minor(self) -> int:
        """Integer tiyn: 1 tenge = 100 tiyn."""
        return int(Decimal(self.amount) * 100)


def _positive(money: Money) -> Money:
    if money.minor == 0:
        raise wrong("not_positive")
    return money


PositiveMoney = Annotated[Money, AfterValidator(_positive)]


class MoneyView(View):
    """An amount of tenge as callers see it; negative where more went out than came in."""

    amount: str
    currency: str = "KZT"

    @classmethod
    def of_minor(cls, minor: int) -> "MoneyView":
        sign, tiyn = ("-", -minor) if minor < 0 else ("", minor)
        return cls(amount=f"{sign}{tiyn // 100}.{tiyn % 100:02d}")
