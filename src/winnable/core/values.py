"""Parsing of single CRM values: as text, as a number, as a time, or as missing.

A value of an export, of a database and of a request means the same only if it is parsed in the same
way, so that is done here once. One value at a time, in plain Python: whole columns are parsed in
`winnable.data`, which agrees with this module value by value. What only a column as a whole can
tell (whether days or months come first, which mark is its decimal mark) is not decided here but
given.
"""

import html
import re
from datetime import UTC, datetime, timedelta, timezone
from math import isfinite, sqrt

from winnable.core.text import entries

BLANKS = (
    " \t\n\r\v\f\x00\x1c\x1d\x1e\x1f\x85\xa0\u1680"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u200b\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
)
"""Characters that are stripped from both ends of a value: every kind of space, NUL and byte order
marks."""

MISSING = frozenset(
    [
        "",
        *entries("""
    -, --, ---, –, —, ., ?, select, -select-, - select -, --select--, please select, n/a, #n/a,
    n.a., na, <na>, nan, nat, null, <null>, (null), none, -none-, --none--, (none), nil,
    undefined, not set, (not set), not available, not applicable, not provided, not specified,
    blank, (blank), empty, (empty), inf, -inf, 0000-00-00, 0000-00-00 00:00:00, 00.00.0000,
    #value!, #ref!, #div/0!, #name?, #null!, #num!, #nv, #n/d, #wert!, #bezug!, #zahl!, #valeur!,
    #nom?, #nombre?, #valor!, #nome?, #naam?, #waarde!, #verw!
    """),
    ]
)
"""What people and programs write, in lower case, where a value is missing."""


def text(value: object) -> str | None:
    """The value as text without blanks at its ends, or None where it is missing. What a web page
    escaped is read as it was meant: "M&uuml;ller &amp; Co" is "Müller & Co".

    Numbers are written the shortest way that reads back as the same number, whole ones without a
    fraction (3, 2.5); booleans as "true" and "false"; dates and times in ISO 8601; infinity and
    integers of thousands of digits count as missing.
    """
    if value is None:
        return None
    if isinstance(value, str):
        stripped = (unescaped(value) if "&" in value else value).strip(BLANKS)
        return None if stripped.lower() in MISSING else stripped
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e16:
        return str(int(value))
    try:
        written = str(float(value) if isinstance(value, float) else value)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return None
    return text(written)


ENTITY = r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});"
"""How HTML writes a character; without the semicolon it is as often a name such as R&D."""
_ENTITY = re.compile(ENTITY)


def unescaped(value: str) -> str:
    """The text without HTML's ways of writing characters, also where it was escaped twice."""
    before = ""
    while value != before:
        before = value
        value = _ENTITY.sub(lambda found: html.unescape(found[0]), value)
    return value


_CURRENCY = (
    r"(?:[$€£¥₹₽₩₪₫₴₦₱₺฿¢]|(?:US|CA?|A|NZ|HK|S|R|MX)\$|zł|kr\.?|Fr\.?|Rs\.?|Ft|Kč"
    r"|USD|EUR|GBP|JPY|CNY|RMB|CHF|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|RON|BGN|TRY|RUB|UAH"
    r"|BRL|MXN|ARS|CLP|COP|INR|PKR|IDR|MYR|SGD|HKD"
    r"|KRW|THB|PHP|VND|ZAR|NGN|KES|EGP|ILS|AED|SAR)"
)


def _number_pattern(decimal: str, thousands: str) -> re.Pattern[str]:
    """At most one blank between the parts: matching stays fast whatever is sent."""
    grouped = (
        rf"[0-9]{{1,3}}(?:(?P<mark>[{thousands}])[0-9]{{2,3}})?(?:(?P=mark)[0-9]{{2,3}})*"
        r"(?<=[0-9]{3})"
    )
    digits = (
        rf"(?P<whole>{grouped}|[0-9]+)?(?:{decimal}(?P<part>[0-9]*))?(?P<power>[eE][+-]?[0-9]+)?"
    )
    before = rf"(?P<open>\()?\s?(?P<sign>[+−-])?\s?{_CURRENCY}?\s?(?P<sign2>[+−-])?\s?"
    return re.compile(
        rf"{before}{digits}\s?%?\s?(?:\|?{_CURRENCY})?\s?(?P<close>\))?(?P<sign3>-)?",
        re.IGNORECASE,
    )


_SPACES = " \xa0\u2009\u202f'’"
_NUMBER = {".": _number_pattern(r"\.", "," + _SPACES), ",": _number_pattern(",", "." + _SPACES)}
_MAX_CHARACTERS = 80
"""A longer value is neither a number nor a date."""
_PLAIN = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")


def number(value: str, decimal: str = ".") -> float | None:
    """The value as a number, or None if it is not one.

    Currency signs (1234|EUR, too), thousands marks (in groups of three, or of two as in India), a
    percent sign (12% is 12), and brackets or a trailing minus for negatives are understood.
    `decimal` is "." or ",": the mark that stands before the fraction. A value that can only be
    written with the other mark (1,5 where "." is given) is not a number.
    """
    if decimal == "." and len(value) <= _MAX_CHARACTERS and _PLAIN.fullmatch(value):
        return _finite(value)
    found = (
        _NUMBER[decimal].fullmatch(value.strip(BLANKS)) if len(value) <= _MAX_CHARACTERS else None
    )
    if found is None:
        return None
    whole = found["whole"] or ""
    part = found["part"] or ""
    signs = [sign for sign in (found["sign"], found["sign2"], found["sign3"]) if sign]
    if (
        not whole + part
        or bool(found["open"]) != bool(found["close"])
        or len(signs) + bool(found["open"]) > 1
    ):
        return None
    size = _finite(f"{re.sub('[^0-9]', '', whole) or '0'}.{part or '0'}{found['power'] or ''}")
    negative = bool(found["open"]) or (bool(signs) and signs[0] != "+")
    return -size if negative and size is not None else size


def _finite(written: str) -> float | None:
    size = float(written)
    return size if isfinite(size) else None


UNKNOWN = frozenset(
    entries("""
    unknown, no value, (no value), no data, tbd, tbc, to be defined, not known, not disclosed,
    other, unbekannt, keine angabe, k.a., k. a., kein wert, inconnu, inconnue, non renseigné, nr,
    n.r., desconocido, sin datos, sin valor, no disponible, desconhecido, não informado,
    nao informado, sem valor, sconosciuto, non disponibile, n.d., onbekend, geen, niet bekend
    """)
)
"""What people write, in lower case, where they do not know a number. In a column of words it is a
word like others."""

_THOUSANDS = {
    **dict.fromkeys(("k", "tsd", "thousand"), 1e3),
    **dict.fromkeys(("m", "mm", "mio", "mn", "million", "millions"), 1e6),
    **dict.fromkeys(("b", "bn", "mrd", "billion", "billions"), 1e9),
}
_ABOUT = r"(?:[<>≥≤~≈]=?|ca\.?|about|approx\.?|over|under|up to|more than|less than)?"
_ROUGH = re.compile(
    rf"{_ABOUT}\s?(?P<number>[^a-z~<>≥≤≈]{{0,8}}[0-9][0-9.,'\s\u2009\u202f\xa0]{{0,30}})"
    r"(?P<thousands>k|tsd\.?|thousand|mm?|mio\.?|mn|millions?|bn?|mrd\.?|billions?)?"
    r"(?P<currency>\s?[$€£])?\s?(?P<plus>\+)?\s?(?P<unit>[^\W\d_]{2,20})?",
    re.IGNORECASE,
)
_RANGE = re.compile(r"(?P<low>.{1,30}?)\s?(?:-|–|—|\bto\b|\bbis\b|\bà\b|\ba\b)\s?(?P<high>.{1,40})")


def quantity(value: str, decimal: str = ".", unit: str = "") -> float | None:
    """The value as a number where people wrote it loosely, or None.

    Beside what `number` reads: 10k+ is 10000, $1.2M is 1200000, >500 is 500, 1,064 employees is
    1064 where `unit` is "employee" (the word without its plural), and a range is its middle: the
    geometric one (51-200 is 101), because sizes spread over orders of magnitude, or the arithmetic
    one where it begins at 0.
    """
    exact = number(value, decimal)
    if exact is not None or len(value) > _MAX_CHARACTERS:
        return exact
    plain = value.strip(BLANKS)
    rough = _rough(plain, decimal, unit)
    return rough if rough is not None else _middle(plain, decimal, unit)


def unit_of(value: str) -> str | None:
    """The word behind a number, in lower case and without its plural; None if there is none."""
    found = _ROUGH.fullmatch(value.strip(BLANKS)) if len(value) <= _MAX_CHARACTERS else None
    return _singular(found["unit"]) if found and found["unit"] else None


def is_range(value: str, decimal: str = ".", unit: str = "") -> bool:
    """Whether a value is a range such as 51-200."""
    return (
        number(value, decimal) is None and _middle(value.strip(BLANKS), decimal, unit) is not None
    )


def _rough(value: str, decimal: str, unit: str) -> float | None:
    found = _ROUGH.fullmatch(value)
    if found is None or (found["unit"] and _singular(found["unit"]) != unit):
        return None
    size = number(f"{found['number'].strip()}{found['currency'] or ''}", decimal)
    times = found["thousands"]
    if size is None or not times:
        return size
    with_currency = found["currency"] or re.search(r"[$€£]", found["number"])
    if times == "m" and not with_currency:
        return None  # metres or minutes as well as millions
    return size * _THOUSANDS[times.lower().rstrip(".")]


def _middle(value: str, decimal: str, unit: str) -> float | None:
    found = _RANGE.fullmatch(value)
    if found is None:
        return None
    low = _rough(found["low"], decimal, unit)
    high = _rough(found["high"], decimal, unit)
    if low is None or high is None or not 0 <= low < high:
        return None
    return sqrt(low * high) if low > 0 else high / 2


def _singular(word: str) -> str:
    plain = word.lower()
    return plain.removesuffix("s")


_MONTHS = (
    "jan january januar jänner jän janvier janv enero ene janeiro gennaio gen januari"
    " sty styczeń stycznia янв январь января",
    "feb february februar feber février févr fév fevrier febrero fevereiro fev febbraio februari"
    " lut luty lutego фев февр февраль февраля",
    "mar march märz mär maerz mrz mars marzo março marco maart mrt marzec marca мар март марта",
    "apr april avril avr abril abr aprile kwi kwiecień kwietnia апр апрель апреля",
    "may mai mayo maio maggio mag mei maj maja май мая",
    "jun june juni juin junio junho giugno giu cze czerwiec czerwca июн июнь июня",
    "jul july juli juillet juil julio julho luglio lug lip lipiec lipca июл июль июля",
    "aug august août aout agosto ago augustus sie sierpień sierpnia авг август августа",
    "sep sept september septembre septiembre setiembre setembro set settembre"
    " wrz wrzesień września сен сент сентябрь сентября",
    "oct october oktober okt octobre octubre outubro out ottobre ott"
    " paź październik października окт октябрь октября",
    "nov november novembre noviembre novembro lis listopad listopada ноя нояб ноябрь ноября",
    "dec december dezember dez décembre déc decembre diciembre dic dezembro dicembre"
    " gru grudzień grudnia дек декабрь декабря",
)
"""The months in English, German, French, Spanish, Portuguese, Italian, Dutch, Polish and Russian,
full and short."""
_MONTH_NUMBERS = {
    name: number for number, names in enumerate(_MONTHS, start=1) for name in names.split()
}
_MONTH = rf"(?P<name>{'|'.join(sorted(_MONTH_NUMBERS, key=len, reverse=True))})\.?"
_DAY = r"(?P<day>[0-9]{1,2})(?:st|nd|rd|th|er|\.|º|°)?"
_OF = r"(?:\s+(?:de|di|del|of)\s+|[\s-]*)"
_YEAR = r"(?P<year>[0-9]{4}|[0-9]{2})"
_OF_YEARS = r"(?: ?[гr]\.)?"
"""How Russian and Polish mark a year."""
_WEEKDAYS = (
    "monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thurs fri sat"
    " sun montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag mo di mi do fr sa"
    " so lundi mardi mercredi jeudi vendredi samedi dimanche lun mar mer jeu ven sam dim lunes"
    " martes miércoles jueves viernes sábado domingo mié jue vie sáb dom segunda-feira terça-feira"
    " quarta-feira quinta-feira sexta-feira seg ter qua qui sex lunedì martedì mercoledì giovedì"
    " venerdì sabato domenica gio maandag dinsdag woensdag donderdag vrijdag zaterdag zondag ma wo"
    " vr za zo"
)
_WEEKDAY = rf"(?:(?:{'|'.join(sorted(_WEEKDAYS.split(), key=len, reverse=True))})\.?,?\s+)?"
_ZONES = {
    **{"z": 0, "utc": 0, "gmt": 0, "ut": 0},
    **{"est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7},
}
"""Names of time zones in hours from UTC, after RFC 2822, section 4.3. Other names mean different
zones in different countries."""
_TIME = (
    r"(?P<hour>[0-9]{1,2})[:.h](?P<minute>[0-9]{2})(?:[:.](?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,9}))?)?"
    r"(?:\s*(?P<half>[ap])\.?m\.?)?"
    rf"(?:\s*(?:(?P<zone>{'|'.join(_ZONES)})|(?:utc|gmt)?(?P<offset>[+−-][0-9]{{2}}(?::?[0-9]{{2}})?)))?"
)
_AT = r"(?:\s*,\s*|\s+|t|,?\s+(?:at|um|à|a las|às|alle|om)\s+)"
_AND_TIME = rf"(?:{_AT}{_TIME}(?:\s+uhr)?)?"
_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"(?P<year>[0-9]{{4}})(?P<mark>[-/.])(?P<month>[0-9]{{1,2}})(?P=mark)(?P<day>[0-9]{{1,2}}){_AND_TIME}",
        rf"(?P<one>[0-9]{{1,2}})(?P<mark>[-/.])(?P<two>[0-9]{{1,2}})(?P=mark){_YEAR}{_AND_TIME}",
        rf"{_WEEKDAY}{_DAY}{_OF}{_MONTH},?{_OF}{_YEAR}{_OF_YEARS}{_AND_TIME}",
        rf"{_WEEKDAY}{_MONTH}\s*{_DAY},?\s+(?P<year>[0-9]{{4}}){_AND_TIME}",
        r"(?P<year>[12][0-9]{3})(?P<month>[0-9]{2})(?P<day>[0-9]{2})"
        r"(?:t?(?P<hour>[0-9]{2})(?P<minute>[0-9]{2})(?P<second>[0-9]{2})(?P<zone>z)?)?",
    )
)
_SERIAL = re.compile(r"(?P<days>[0-9]{5})(?:[.,](?P<part>[0-9]{1,15}))?")
_SERIAL_DAYS = range(29_221, 65_381)
"""Days that spreadsheets count from the end of 1899, of the years 1980 to 2078."""
_SERIAL_ZERO = datetime(1899, 12, 30, tzinfo=UTC)
_EPOCH = re.compile(r"(?P<seconds>[0-9]{10})(?P<rest>[0-9]{3})?(?:\.(?P<fraction>[0-9]{1,9}))?")


def moment(value: str, day_first: bool = False) -> datetime | None:
    """The value as a time in UTC, or None if it is not a date.

    Understood: ISO 8601; 3/12/2024 and its kin with "/", "-" or "." (`day_first` says what comes
    first, except where the numbers leave only one reading, and with "." it is the day); 12 Mar 2024
    and Mar 12, 2024, also with the months of German, French, Spanish, Portuguese, Italian, Dutch,
    Polish and Russian; 20240312; seconds (10 digits) or milliseconds (13) since 1970; the days that
    spreadsheets count (45123.5; years 1980 to 2078, to the second). A time of day may follow, on 12
    or 24 hours, with a zone. Without a zone it is UTC, without a time of day midnight. Years of two
    digits lie between 1969 and 2068, as POSIX has it.
    """
    if len(value) > _MAX_CHARACTERS:
        return None
    value = value.strip(BLANKS)
    epoch = _EPOCH.fullmatch(value)
    if epoch:
        return _since_1970(epoch)
    serial = _SERIAL.fullmatch(value)
    if serial:
        return _of_serial(serial)
    for form in _FORMS:
        found = form.fullmatch(value)
        if found:
            try:
                return _moment_of(found.groupdict(), day_first)
            except (ValueError, OverflowError):
                return None
    return None


def _since_1970(found: re.Match[str]) -> datetime:
    millis = int(found["rest"] or 0)
    fraction = int((found["fraction"] or "").ljust(9, "0"))
    micros = millis * 1000 + fraction // 1_000_000 if found["rest"] else fraction // 1000
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
        seconds=int(found["seconds"]), microseconds=micros
    )


def _of_serial(found: re.Match[str]) -> datetime | None:
    days = int(found["days"])
    if days not in _SERIAL_DAYS:
        return None
    seconds = round(float(f"0.{found['part'] or '0'}") * 86_400)
    return _SERIAL_ZERO + timedelta(days=days, seconds=seconds)


def _moment_of(part: dict[str, str | None], day_first: bool) -> datetime:
    hour = int(part["hour"] or 0)
    if part.get("half"):
        if not 1 <= hour <= 12:
            raise ValueError
        hour = hour % 12 + (12 if (part["half"] or "").lower() == "p" else 0)
    micros = int((part.get("fraction") or "0").ljust(6, "0")[:6])
    local = datetime(
        *_day_of(part, day_first),
        hour,
        int(part["minute"] or 0),
        int(part["second"] or 0),
        micros,
        _zone_of(part),
    )
    return local.astimezone(UTC)


def _day_of(part: dict[str, str | None], day_first: bool) -> tuple[int, int, int]:
    year = int(part["year"] or 0)
    if len(part["year"] or "") == 2:
        year += 2000 if year < 69 else 1900
    if part.get("one"):
        one = int(part["one"] or 0)
        two = int(part["two"] or 0)
        first_is_day = one > 12 or (two <= 12 and (day_first or part["mark"] == "."))
        return (year, two, one) if first_is_day else (year, one, two)
    day = int(part["day"] or 0)
    if part.get("name"):
        return year, _MONTH_NUMBERS[(part["name"] or "").lower()], day
    return year, int(part["month"] or 0), day


def _zone_of(part: dict[str, str | None]) -> timezone:
    if part.get("zone"):
        return timezone(timedelta(hours=_ZONES[(part["zone"] or "").lower()]))
    offset = (part.get("offset") or "+00").replace(":", "").replace("−", "-")
    minutes = int(offset[1:3]) * 60 + int(offset[3:5] or 0)
    return timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes))
