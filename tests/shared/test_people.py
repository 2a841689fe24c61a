"""What is particular to people in Kazakhstan: numbers, phones, names."""

from datetime import date
from typing import Any

import phonenumbers
import pytest
from hypothesis import assume, given, reject
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from shared.people import (
    ALPHABET,
    Bin,
    Iin,
    Phone,
    age_on,
    born_on_by_iin,
    check_digit,
    folded,
    is_bin,
    is_iin,
    masked_iin,
    sort_key,
)

FIRST_PASS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)


def remainder(first_eleven: str) -> int:
    return sum(int(d) * w for d, w in zip(first_eleven, FIRST_PASS, strict=True)) % 11


@st.composite
def iins(draw: st.DrawFn) -> str:
    """An IIN of somebody born between 1900 and 2099."""
    born_on = draw(st.dates(date(1900, 1, 1), date(2099, 12, 31)))
    century = draw(st.sampled_from((3, 4) if born_on.year < 2000 else (5, 6)))
    eleven = f"{born_on:%y%m%d}{century}{draw(st.integers(0, 9999)):04d}"
    digit = check_digit(eleven)
    assume(digit is not None)
    return f"{eleven}{digit}"


@pytest.mark.parametrize(
    ("eleven", "digit"),
    [
        # 9·1 + 5·4 + 1·5 + 7·6 + 3·7 + 1·11 = 108 = 9·11 + 9
        ("90051730001", 9),
        # 2·4 + 2·5 + 9·6 + 5·7 + 9·10 = 197 = 17·11 + 10; so again: 2·6 + 2·7 + 9·8 + 5·9 + 9·1 = 152 = 13·11 + 9
        ("00022950090", 9),
        # both times 10: never issued
        ("90051730260", None),
    ],
)
def test_the_check_digit_follows_the_decree(eleven: str, digit: int | None) -> None:
    assert check_digit(eleven) == digit


@given(eleven=st.text("0123456789", min_size=11, max_size=11))
def test_a_check_digit_is_one_of_ten_or_the_number_is_never_issued(eleven: str) -> None:
    digit = check_digit(eleven)

    assert digit is None or 0 <= digit <= 9
    if remainder(eleven) < 10:
        assert digit == remainder(eleven)


@given(iin=iins())
def test_a_valid_iin_is_taken_and_tells_the_birth_day(iin: str) -> None:
    assert is_iin(iin)
    born_on = born_on_by_iin(iin)
    assert born_on is not None
    assert f"{born_on:%y%m%d}" == iin[:6]


@given(iin=iins(), place=st.integers(0, 11), digit=st.sampled_from("0123456789"))
def test_a_mistyped_digit_is_noticed_wherever_the_decree_s_weights_can(iin: str, place: int, digit: str) -> None:
    """The eleventh has weight 11, which is nothing modulo 11; and the second pass hides some."""
    assume(iin[place] != digit and place != 10)
    changed = iin[:place] + digit + iin[place + 1 :]
    assume(remainder(iin[:11]) != 10 and remainder(changed[:11]) != 10)

    assert not is_iin(changed)


@given(iin=iins(), place=st.integers(0, 9))
def test_two_neighbouring_digits_exchanged_are_noticed(iin: str, place: int) -> None:
    changed = iin[:place] + iin[place + 1] + iin[place] + iin[place + 2 :]
    assume(changed != iin)
    assume(remainder(iin[:11]) != 10 and remainder(changed[:11]) != 10)

    assert not is_iin(changed)


@given(iin=iins())
def test_an_iin_is_ascii_digits_and_nothing_else(iin: str) -> None:
    arabic = iin.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))
    for other in (arabic, f"{iin}\n", f" {iin}", iin[:-1], f"{iin}0", f"{iin[:6]}-{iin[6:]}", "０" + iin[1:]):
        assert not is_iin(other)
    assert masked_iin(iin) == "••••••••" + iin[-4:]


@pytest.mark.parametrize(
    ("iin", "why"),
    [
        ("900532300000", "no 32nd of May"),
        ("901317300000", "no 13th month"),
        ("010229500000", "2001 had no 29th of February"),
        ("900517000000", "no century 0"),
        ("900517700000", "no century 7"),
    ],
)
def test_an_iin_needs_a_real_birth_day(iin: str, why: str) -> None:
    digit = check_digit(iin[:11])

    assert not is_iin(f"{iin[:11]}{digit}"), why


@given(rest=st.integers(0, 99_999), year=st.integers(0, 99), month=st.integers(1, 12), kind=st.sampled_from("456"))
def test_a_bin_is_a_month_a_kind_and_its_check_digit(rest: int, year: int, month: int, kind: str) -> None:
    eleven = f"{year:02d}{month:02d}{kind}0{rest:05d}"
    digit = check_digit(eleven)
    assume(digit is not None)
    good = f"{eleven}{digit}"

    assert is_bin(good)
    assert not is_bin(f"{eleven}{((digit or 0) + 1) % 10}")
    assert not is_bin(f"{good}\n")
    assert not is_bin(f"{year:02d}13{good[4:]}")
    assert not is_bin(f"{good[:4]}7{good[5:]}")


@given(text=st.text(max_size=14))
def test_no_text_breaks_the_checks_of_numbers(text: str) -> None:
    assert is_iin(text) <= (len(text) == 12)
    assert is_bin(text) <= (len(text) == 12)


@pytest.mark.parametrize(
    "written",
    [
        "+77011234567",
        "87011234567",
        "8 701 123 45 67",
        "8 (701) 123-45-67",
        "+7 701 123 45 67",
        "7011234567",
        " +7-701-123-45-67 ",
    ],
)
def test_a_phone_is_the_same_however_it_is_written(written: str) -> None:
    assert TypeAdapter(Phone).validate_python(written) == "+77011234567"


@pytest.mark.parametrize("wrong", ["", "abc", "1", "+7", "+7701123456789012", "٧٠١", "+77011234567\0"])
def test_what_is_no_phone_is_refused(wrong: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Phone).validate_python(wrong)


@given(
    st.from_regex(
        r"(\+7|8|7|\+?998)?[ -]?\(?[0-9]{3}\)?[ -]?[0-9]{3}[ -]?[0-9]{2}[ -]?[0-9]{2}", fullmatch=True
    ).filter(str.isascii)
)
def test_the_usual_way_to_write_a_phone_is_read_as_the_library_reads_it(written: str) -> None:
    try:
        number = phonenumbers.parse(written.strip(), "KZ")
    except phonenumbers.NumberParseException:
        # 8 and then 10 leads abroad, to countries that there may not be.
        reject()
    assume(phonenumbers.is_possible_number(number))

    assert TypeAdapter(Phone).validate_python(written.strip()) == phonenumbers.format_number(
        number, phonenumbers.PhoneNumberFormat.E164
    )


@pytest.mark.parametrize("kind", [Iin, Bin, Phone])
@given(text=st.text(max_size=20))
def test_no_text_breaks_a_form(kind: Any, text: str) -> None:
    try:
        kept: str = TypeAdapter[str](kind).validate_python(text)
    except ValidationError:
        return
    assert kept.strip() == kept


# --- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "typed"),
    [
        ("Айгүл Қасымова", "айгул касымова"),
        ("Айгүл Қасымова", "АЙГУЛ КАСЫМОВА"),
        ("Нұрсұлтан Әбішұлы", "нурсултан абишулы"),
        ("Гүлнұр Өмірбекқызы", "гулнур омирбеккызы"),
        ("Семён Соловьёв", "семен соловев"),
        ("Ә\u0301лия", "алия"),
        ("Анна-Мария О’Коннор", "анна мария  оконнор"),
        ("Һауа", "хауа"),
        ("Бекзат", "бeкзaт"),
    ],
)
def test_a_name_is_found_however_it_is_typed(stored: str, typed: str) -> None:
    assert folded(stored) == folded(typed)


@given(name=st.text(max_size=60))
def test_folding_is_done_once_and_for_all(name: str) -> None:
    assert folded(folded(name)) == folded(name)
    assert folded(name.upper()) == folded(folded(name.upper()))


def test_names_sort_by_the_kazakh_alphabet() -> None:
    names = ["Яна", "Ұлан", "Үміт", "Улан", "Әлия", "Алия", "Қасым", "Касым", "Іңкәр", "Ырыс"]  # fmt: skip
    names += ["Һауа", "Хасен", "Цой", "Өмір", "Омар"]

    assert sorted(names, key=sort_key) == [
        "Алия", "Әлия", "Касым", "Қасым", "Омар", "Өмір", "Улан", "Ұлан", "Үміт", "Хасен", "Һауа", "Цой", "Ырыс",
        "Іңкәр", "Яна",
    ]  # fmt: skip


def test_the_alphabet_has_its_forty_two_letters_and_each_sorts_after_the_one_before() -> None:
    assert len(ALPHABET) == len(set(ALPHABET)) == 42
    assert sorted(ALPHABET, key=sort_key) == list(ALPHABET)
    assert [sort_key(letter) for letter in ALPHABET] == [sort_key(letter.upper()) for letter in ALPHABET]


@given(one=st.text(ALPHABET + " ", max_size=12), more=st.text(ALPHABET, min_size=1, max_size=5))
def test_a_name_sorts_before_one_that_it_begins(one: str, more: str) -> None:
    assert sort_key(one) < sort_key(one + more)


@given(name=st.text(max_size=30))
def test_a_sort_key_can_always_be_stored(name: str) -> None:
    assume("\0" not in name)
    assert "\0" not in sort_key(name)


# --- ages -----------------------------------------------------------------------------------------------------------


@given(born_on=st.dates(date(1900, 1, 1), date(2020, 12, 31)), day=st.dates(date(1900, 1, 1), date(2030, 12, 31)))
def test_an_age_by_month_is_never_more_than_the_truth_and_at_most_a_month_late(born_on: date, day: date) -> None:
    assume(day >= born_on)
    truth = day.year - born_on.year - ((day.month, day.day) < (born_on.month, born_on.day))

    known = age_on(day, born_in=f"{born_on:%Y-%m}")

    assert known <= truth
    if day.month != born_on.month:
        assert known == truth
