"""Numbers and addresses of people who do not exist: none of them twice, none that anybody could hold."""

# ruff: noqa: PLR2004 - numbers of the IIN's definition

from datetime import date

from deploy.demo.names import latin
from deploy.demo.network.dice import Dice

_FIRST_PASS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
_SECOND_PASS = (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2)


def check_digit(first_eleven: str) -> int | None:
    """The twelfth digit of an IIN; None in the tenth case, in which the number is never issued."""
    digits = [ord(figure) - 48 for figure in first_eleven]
    for weights in (_FIRST_PASS, _SECOND_PASS):
        rest = sum(digit * weight for digit, weight in zip(digits, weights, strict=True)) % 11
        if rest < 10:
            return rest
    return None


class Papers:
    """Gives each person an IIN, a phone and an e-mail address of their own."""

    def __init__(self, seed: int, purpose: str, serials: range) -> None:
        """Two books with different `serials` (of four digits) never give the same IIN."""
        self._dice = Dice(seed, f"papers of {purpose}")
        self._serials = serials
        self._iins: set[str] = set()
        self._phones: set[int] = set()
        self._emails: set[str] = set()

    def iin(self, born_on: date, *, male: bool) -> str:
        """A well-formed IIN that nobody holds: its birth day is the person's, moved to the years 2060 to 2099.

        40 years is a multiple of four, so 29 February stays a day.
        """
        stem = f"{60 + born_on.year % 40}{born_on.month:02d}{born_on.day:02d}{5 if male else 6}"
        while True:
            eleven = f"{stem}{self._dice.pick(self._serials):04d}"
            digit = check_digit(eleven)
            if digit is not None and eleven not in self._iins:
                self._iins.add(eleven)
                return f"{eleven}{digit}"

    def phone(self) -> str:
        """A Kazakh number of the code 764, whose operator has long gone out of service."""
        while True:
            number = self._dice.below(10_000_000)
            if number not in self._phones:
                self._phones.add(number)
                return f"+7764{number:07d}"

    def email(self, full_name: str) -> str:
        """An address at example.org, a domain that belongs to nobody (RFC 2606)."""
        surname, given, *_ = latin(full_name).split()
        plain = f"{given}.{surname}"
        address, serial = plain, 1
        while address in self._emails:
            serial += 1
            address = f"{plain}{serial}"
        self._emails.add(address)
        return f"{address}@example.org"
