"""One value of a CRM is parsed in one way: text, numbers, times, and what means missing."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnable.core.values import BLANKS, MISSING, moment, number, quantity, text


@pytest.mark.parametrize(
    "word",
    [
        "",
        "   ",
        "Select",
        "select ",
        "N/A",
        "n/a",
        "#N/A",
        "NULL",
        "None",
        "--None--",
        "-",
        "\ufeff",
        "nan",
    ],
)
def test_words_for_nothing_are_missing(word: str) -> None:
    assert text(word) is None


@pytest.mark.parametrize("word", ["0", "No", "unknown", "selected", "Nana", "false"])
def test_words_that_say_something_are_kept(word: str) -> None:
    assert text(word) == word


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (3, "3"),
        (3.0, "3"),
        (2.5, "2.5"),
        (-0.1, "-0.1"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e20, "1e+20"),
        (True, "true"),
        (False, "false"),
    ],
)
def test_numbers_and_truth_values_are_written_one_way(value: object, written: str) -> None:
    assert text(value) == written


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), float("-inf")])
def test_what_is_no_value_is_missing(value: object) -> None:
    assert text(value) is None


def test_blanks_at_the_ends_do_not_count_and_those_within_do() -> None:
    assert text("\u00a0 Closed  Won\t\u200b") == "Closed  Won"


@pytest.mark.parametrize(
    ("escaped", "meant"),
    [
        ("M&uuml;ller &amp; Co", "Müller & Co"),
        ("M&#252;ller &#x26; Co&nbsp;", "Müller & Co"),
        ("A &amp;amp; B", "A & B"),
        ("Smith &lt;ann@example.com&gt;", "Smith <ann@example.com>"),
        ("R&D", "R&D"),
        ("AT&T; Bell", "AT&T; Bell"),
        ("this &copy that", "this &copy that"),
    ],
)
def test_what_a_web_page_escaped_is_the_same_word(escaped: str, meant: str) -> None:
    assert text(escaped) == meant


@pytest.mark.parametrize("nothing", ["&nbsp;", "&lt;null&gt;", "N&#47;A"])
def test_nothing_that_a_web_page_escaped_is_missing(nothing: str) -> None:
    assert text(nothing) is None


@pytest.mark.parametrize(
    ("written", "size"),
    [("1234|EUR", 1234.0), ("1234.50|USD", 1234.5), ("-12|RUB", -12.0), ("1234|", None)],
)
def test_a_currency_behind_a_bar_is_one(written: str, size: float | None) -> None:
    assert number(written) == size


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_written_as_text_reads_back_as_the_same_number(value: float) -> None:
    assert number(text(value) or "") == value


@given(st.text())
def test_text_is_settled_after_one_reading(value: str) -> None:
    once = text(value)
    assert once is None or (
        text(once) == once and once == once.strip(BLANKS) and once.lower() not in MISSING
    )


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("1234", 1234),
        ("-12.5", -12.5),
        ("1,234,567.89", 1234567.89),
        ("12,34,567", 1234567),
        ("1 234", 1234),
        ("1\u202f234.5", 1234.5),
        ("1'234.50", 1234.5),
        ("$1,000", 1000),
        ("€ 12", 12),
        ("12 EUR", 12),
        ("R$ 10", 10),
        ("-$5", -5),
        ("$-5", -5),
        ("($1,500.00)", -1500),
        ("5-", -5),
        ("+7", 7),
        ("12 %", 12),
        ("1e3", 1000),
        (".5", 0.5),
        ("007", 7),
    ],
)
def test_numbers_with_a_decimal_point(written: str, size: float) -> None:
    assert number(written) == size


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("1.234.567,89", 1234567.89),
        ("1,5", 1.5),
        ("1.234", 1234),
        ("12", 12),
        ("12,50 €", 12.5),
        ("-0,5", -0.5),
        ("1 234,5", 1234.5),
    ],
)
def test_numbers_with_a_decimal_comma(written: str, size: float) -> None:
    assert number(written, decimal=",") == size


@pytest.mark.parametrize(
    "written",
    [
        "",
        "$",
        "abc",
        "1,5",
        "1,23",
        "1234,567",
        "1.2.3",
        "1,234 567",
        "5-10",
        "50+",
        "(5",
        "5)",
        "--5",
        "(-5)",
        "1e999",
        "nan",
        "inf",
        "0x1A",
        "١٢",
    ],
)
def test_what_is_no_number_with_a_decimal_point(written: str) -> None:
    assert number(written) is None


def test_a_number_can_only_be_read_with_its_own_mark() -> None:
    assert number("1.5", decimal=",") is None
    assert number("1,234.5", decimal=",") is None


MARCH_12 = datetime(2024, 3, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2024-03-12", MARCH_12),
        ("2024/3/12", MARCH_12),
        ("2024-03-12T14:30:00Z", MARCH_12 + timedelta(hours=14, minutes=30)),
        ("2024-03-12 14:30", MARCH_12 + timedelta(hours=14, minutes=30)),
        (
            "2024-03-12 14:30:05.250+02:00",
            MARCH_12 + timedelta(hours=12, minutes=30, seconds=5, milliseconds=250),
        ),
        ("2024-03-12T14:30:00-0530", MARCH_12 + timedelta(hours=20)),
        ("2024-03-12 01:00+03", MARCH_12 - timedelta(hours=2)),
        (
            "2024-03-12 14:30:05.123456789",
            MARCH_12 + timedelta(hours=14, minutes=30, seconds=5, microseconds=123456),
        ),
        ("3/12/2024", MARCH_12),
        ("03-12-24", MARCH_12),
        ("3/12/2024 2:30 PM", MARCH_12 + timedelta(hours=14, minutes=30)),
        ("3/12/2024, 12:05 a.m.", MARCH_12 + timedelta(minutes=5)),
        ("12.03.2024", MARCH_12),
        ("12.3.24 07:00", MARCH_12 + timedelta(hours=7)),
        ("12 Mar 2024", MARCH_12),
        ("12-Mar-24", MARCH_12),
        ("12th March 2024", MARCH_12),
        ("Mar 12, 2024", MARCH_12),
        ("March 12 2024 at 9:00 am", MARCH_12 + timedelta(hours=9)),
        ("Tue, 12 Mar 2024 14:00:00 +0100", MARCH_12 + timedelta(hours=13)),
        ("2024-03-12 14:00 EST", MARCH_12 + timedelta(hours=19)),
        ("20240312", MARCH_12),
        ("20240312T140000Z", MARCH_12 + timedelta(hours=14)),
        ("1710201600", MARCH_12),
        ("1710201600250", MARCH_12 + timedelta(milliseconds=250)),
    ],
)
def test_moments(written: str, expected: datetime) -> None:
    assert moment(written) == expected


@pytest.mark.parametrize(
    ("written", "day_first", "day", "month"),
    [
        ("3/12/2024", False, 12, 3),
        ("3/12/2024", True, 3, 12),
        ("13/12/2024", False, 13, 12),
        ("12/13/2024", True, 13, 12),
        ("3.12.2024", False, 3, 12),
    ],
)
def test_what_comes_first_is_given_unless_only_one_reading_is_left(
    written: str, day_first: bool, day: int, month: int
) -> None:
    read = moment(written, day_first)
    assert read is not None
    assert (read.day, read.month) == (day, month)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "soon",
        "2024",
        "20000",
        "65381",
        "2024-02-30",
        "13/13/2024",
        "2024-03-12 25:00",
        "3/12/2024 13:00 PM",
        "3/12/2024 0:30 pm",
        "1-2/2024",
        "0000-01-01",
        "2024-03-12 14:00 CET",
        "9999-12-31 23:00 -05:00",
        "12 Foo 2024",
        "99991231235959999",
    ],
)
def test_what_is_no_date(written: str) -> None:
    assert moment(written) is None


def test_years_of_two_digits_turn_over_in_1969() -> None:
    years = [read.year for written in ("1/1/69", "1/1/68") if (read := moment(written)) is not None]
    assert years == [1969, 2068]


@given(
    st.datetimes(
        timezones=st.timezones(), min_value=datetime(1000, 1, 2), max_value=datetime(9999, 12, 30)
    )
)
def test_every_moment_in_iso_8601_reads_back(value: datetime) -> None:
    offset = value.utcoffset()
    if offset is not None and offset.total_seconds() % 60 == 0:
        assert moment(value.isoformat()) == value.astimezone(UTC)


@given(st.text())
def test_no_text_makes_reading_fail(value: str) -> None:
    number(value)
    number(value, ",")
    moment(value)


@pytest.mark.parametrize(
    "value",
    [
        "1" * 100_000 + "x",
        " " * 50_000 + "$",
        "$" + " " * 70 + "x",
        "1 " * 40 + "x",
        "1,111" * 16 + "x",
        "(" * 80,
        "12" + " " * 75 + "x",
    ],
)
def test_no_value_takes_long_to_be_refused(value: str) -> None:
    begun = time.perf_counter()
    assert number(value) is None
    assert moment(value) is None
    assert time.perf_counter() - begun < 0.1


def test_an_integer_of_thousands_of_digits_is_missing() -> None:
    """Python refuses to write it."""
    assert text(10**4300) is None
    assert text(-(10**5000)) is None
    assert text(10**4299) == f"1{'0' * 4299}"


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("31. März 2024", (2024, 3, 31)),
        ("3. Okt. 2024", (2024, 10, 3)),
        ("1er février 2024", (2024, 2, 1)),
        ("12 août 2024", (2024, 8, 12)),
        ("31 de diciembre de 2024", (2024, 12, 31)),
        ("15 set. 2023", (2023, 9, 15)),
        ("7 de março de 2024", (2024, 3, 7)),
        ("9 giugno 2024", (2024, 6, 9)),
        ("12-gen-2024", (2024, 1, 12)),
        ("5 mrt 2024", (2024, 3, 5)),
        ("Do, 2. Mai 2024", (2024, 5, 2)),
        ("45000", (2023, 3, 15)),
        ("29221", (1980, 1, 1)),
    ],
)
def test_months_in_seven_languages_and_days_of_spreadsheets(
    written: str, day: tuple[int, int, int]
) -> None:
    assert moment(written) == datetime(*day, tzinfo=UTC)


def test_a_spreadsheets_fraction_of_a_day_is_read_to_the_second() -> None:
    assert moment("45123.7520833333") == datetime(2023, 7, 16, 18, 3, tzinfo=UTC)
    assert moment("12. Oktober 2024 um 14:30 Uhr") == datetime(2024, 10, 12, 14, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "decimal", "size"),
    [
        ("10k+", ".", 10_000),
        ("$1.2M", ".", 1.2e6),
        ("3,5 Mio. €", ",", 3.5e6),
        ("€3,5 Mio.", ",", 3.5e6),
        ("> 500", ".", 500),
        ("100-400", ".", 200),
        ("0-10", ".", 5),
        ("1,001 to 5,000", ".", 2237.185732),
        ("200-51", ".", None),
        ("2024-05", ".", None),
        ("5m", ".", None),
        ("$5m", ".", 5e6),
        ("12 employees", ".", 12),
        ("12 weeks", ".", None),
        ("unknown", ".", None),
    ],
)
def test_numbers_that_people_wrote_loosely(written: str, decimal: str, size: float | None) -> None:
    assert quantity(written, decimal, "employee") == (None if size is None else pytest.approx(size))


@given(st.text(max_size=90), st.sampled_from(".,"))
def test_what_is_a_number_is_the_same_quantity(value: str, decimal: str) -> None:
    exact = number(value, decimal)
    assert exact is None or quantity(value, decimal, "employee") == exact


@pytest.mark.parametrize(
    "written", ["1" * 80, "1-" * 40, " 9" * 40, "1'" * 40, "$" * 80, "a " * 40]
)
def test_odd_text_takes_no_time(written: str) -> None:
    began = time.perf_counter()
    for _ in range(20):
        quantity(written, ".", "employee")
    assert time.perf_counter() - began < 2
