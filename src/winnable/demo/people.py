"""The people of the demo data: who they are, where they work, and how that affects their chance of
being won.

Every e-mail domain of a company ends in `.example` and every phone number lies in the ranges that
regulators reserve for fiction (Ofcom, Bundesnetzagentur, ARCEP, PTS, ComReg, ACMA), so that no real
person is in the data. What becomes of the people is simulated in `winnable.demo.journeys`.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from winnable.core.columns import BoolArray, FloatArray, IntArray

TextArray = NDArray[np.object_]

# Name, share of the companies, what it adds to the fit, and the words that its companies are called
# by.
INDUSTRIES: tuple[tuple[str, float, float, tuple[str, ...]], ...] = (
    ("Logistics", 0.18, 0.7, ("Logistics", "Freight")),
    ("Manufacturing", 0.22, 0.5, ("Works", "Tools")),
    ("Wholesale", 0.14, 0.4, ("Trading", "Supply")),
    ("Retail", 0.13, 0.0, ("Stores", "Markets")),
    ("Construction", 0.08, -0.1, ("Building", "Construction")),
    ("Healthcare", 0.08, -0.3, ("Care", "Clinics")),
    ("Software", 0.09, -0.6, ("Software", "Systems")),
    ("Education", 0.08, -0.9, ("Academy", "College")),
)
# Name, share, dialling pattern: each # is a digit.
COUNTRIES: tuple[tuple[str, float, str], ...] = (
    ("Germany", 0.34, "+49 30 23125 ###"),
    ("United Kingdom", 0.24, "+44 7700 900###"),
    ("France", 0.16, "+33 1 99 00 ## ##"),
    ("Sweden", 0.10, "+46 8 465 004 ##"),
    ("Ireland", 0.09, "+353 20 91# ####"),
    ("Australia", 0.07, "+61 2 7010 ####"),
)
UNACCEPTABLE_COUNTRY = ("Atlantis", "+44 1632 960###")
# Title, share, what it adds to the fit.
TITLES: tuple[tuple[str, float, float], ...] = (
    ("Chief Operating Officer", 0.05, 0.8),
    ("VP Operations", 0.06, 0.8),
    ("Head of Logistics", 0.09, 1.0),
    ("Head of Supply Chain", 0.07, 0.9),
    ("Director of Operations", 0.07, 0.6),
    ("Managing Director", 0.07, 0.5),
    ("Plant Manager", 0.10, 0.3),
    ("Warehouse Manager", 0.11, 0.3),
    ("IT Manager", 0.10, 0.0),
    ("Planner", 0.10, -0.3),
    ("Marketing Assistant", 0.06, -0.9),
    ("Consultant", 0.07, -0.8),
    ("Student", 0.05, -2.2),
)
# Source, share in the first and in the last month (the mix changes), what it adds to the intent,
# share with consent.
SOURCES: tuple[tuple[str, float, float, float, float], ...] = (
    ("Referral", 0.09, 0.07, 0.9, 0.92),
    ("Partner", 0.08, 0.08, 0.6, 0.90),
    ("Website", 0.20, 0.18, 0.5, 0.95),
    ("Webinar", 0.15, 0.14, 0.1, 0.95),
    ("Content download", 0.17, 0.15, -0.1, 0.95),
    ("Trade show", 0.13, 0.12, -0.1, 0.85),
    ("Paid search", 0.08, 0.15, 0.0, 0.95),
    ("Cold call", 0.05, 0.05, -0.6, 0.55),
    ("Purchased list", 0.05, 0.06, -1.3, 0.15),
)
# When the purchase is meant to happen, from the most to the least pressing quarter of the leads.
TIMELINES = ("This quarter", "This half-year", "This year", "Next year")
OWNERS = ("R. Okafor", "S. Lindqvist", "T. Marchetti", "U. Novak", "V. Desai")

_FIRST = (
    "Anna",
    "Ben",
    "Clara",
    "David",
    "Elena",
    "Farid",
    "Greta",
    "Hugo",
    "Ines",
    "Jonas",
    "Katja",
    "Liam",
    "Mona",
    "Nils",
    "Olga",
    "Pavel",
    "Rosa",
    "Samir",
    "Tessa",
    "Umar",
    "Vera",
    "Walter",
    "Yara",
    "Zoe",
    "Aoife",
    "Bruno",
    "Celine",
    "Dmitri",
    "Erik",
    "Freya",
    "Goran",
    "Hanna",
)
_LAST = (
    "Adler",
    "Berg",
    "Costa",
    "Dubois",
    "Eriksen",
    "Fischer",
    "Gallo",
    "Hartmann",
    "Ivanova",
    "Jansson",
    "Keller",
    "Lambert",
    "Moreau",
    "Nowak",
    "Olsen",
    "Petrov",
    "Quinn",
    "Rossi",
    "Schmidt",
    "Turner",
    "Ueda",
    "Vogel",
    "Walsh",
    "Xu",
    "Young",
    "Zimmer",
    "Byrne",
    "Campbell",
    "Doyle",
    "Engel",
    "Fournier",
    "Grant",
)
_STEM_STARTS = (
    "Hal",
    "Bren",
    "Cor",
    "Dal",
    "Es",
    "Fen",
    "Gar",
    "Ing",
    "Jor",
    "Kel",
    "Lan",
    "Mar",
    "Nor",
    "Or",
    "Pel",
    "Quen",
    "Ros",
    "Sol",
    "Tor",
    "Ul",
    "Var",
    "Wes",
    "Yor",
    "Zel",
)
_STEM_MIDDLES = (
    "a",
    "be",
    "da",
    "e",
    "lo",
    "mi",
    "ne",
    "o",
    "ri",
    "sa",
    "ta",
    "u",
    "ve",
    "wi",
)
_STEM_ENDS = (
    "den",
    "ford",
    "mark",
    "vik",
    "ton",
    "berg",
    "holm",
    "stad",
    "wick",
    "ley",
    "rand",
    "mont",
)
_FREE_MAIL = ("gmail.com", "outlook.com", "gmx.net", "yahoo.com")

COMPANY_FIELDS = ("Company", "Industry", "Employees", "Country")
_COLLEAGUE_SHARE = 0.2

_JUNK: tuple[tuple[str, str, str, str], ...] = (
    ("Mickey", "Mouse", "mickey.mouse{}@mailinator.com", "000000"),
    ("Donald", "Duck", "donald{}@trashmail.com", "123456"),
    ("asdf", "asdf", "asdf{}@asdf.asdf", "1111111111"),
    ("Test", "Test", "test{}@test.com", "0"),
    ("X", "X", "x{}@guerrillamail.com", "+44 000 000 000"),
    ("qwertz", "qwertz", "no{}", "n/a"),
)


@dataclass(frozen=True)
class People:
    """Some people as the CRM first recorded them, all arrays of shape (n,).

    `fields` holds the CRM's columns as texts, "" where nothing is known. `fit` (how well company
    and person suit the product) and `intent` (how much they want it now) are in units of log-odds,
    near 0 on average; `interest` is how much they like to read and listen, which says little about
    buying. `title`, `timeline` and `budget` are what they would answer if asked. A `barred` person
    lives where the company must not sell; a `junk` one does not exist. A `colleague` comes because
    somebody of the same company is a customer or about to become one (`placed_with`). Of the fit,
    `rank` is the person's and `company_fit` the company's part.
    """

    fields: dict[str, TextArray]
    fit: FloatArray
    intent: FloatArray
    interest: FloatArray
    title: TextArray
    timeline: TextArray
    budget: TextArray
    enterprise: BoolArray
    barred: BoolArray
    junk: BoolArray
    colleague: BoolArray
    rank: FloatArray
    company_fit: FloatArray

    def __len__(self) -> int:
        return len(self.fit)

    def take(self, rows: IntArray) -> Self:
        """The people of the given row positions, in that order."""
        arrays = {name: value[rows] for name, value in vars(self).items() if name != "fields"}
        return replace(
            self, fields={name: values[rows] for name, values in self.fields.items()}, **arrays
        )

    def join(self, other: Self) -> Self:
        """These people, then the others."""
        arrays = {
            name: np.concatenate([value, getattr(other, name)])
            for name, value in vars(self).items()
            if name != "fields"
        }
        fields = {
            name: np.concatenate([values, other.fields[name]])
            for name, values in self.fields.items()
        }
        return replace(self, fields=fields, **arrays)

    def placed_with(self, rows: IntArray, hosts: IntArray) -> Self:
        """The same people, where those of `rows` work at the companies of the `hosts`, both row
        positions of shape (m,)."""
        fields = {name: values.copy() for name, values in self.fields.items()}
        for name in (*COMPANY_FIELDS, "Phone"):
            fields[name][rows] = fields[name][hosts]
        for row, host in zip(rows, hosts, strict=True):
            name, _, domain = fields["Email"][row].partition("@")
            if domain not in _FREE_MAIL:
                fields["Email"][row] = f"{name}@{_domain_of(fields['Company'][host])}"
        parts = {name: getattr(self, name).copy() for name in ("enterprise", "company_fit")}
        for values in parts.values():
            values[rows] = values[hosts]
        fit = self.fit.copy()
        fit[rows] += _fit(self.rank, **parts)[rows] - self.known_fit[rows]
        return replace(self, fields=fields, fit=fit, **parts)

    @property
    def known_fit(self) -> FloatArray:
        """What person and company add to the fit, shape (n,)."""
        return _fit(self.rank, self.enterprise, self.company_fit)


def draw_people(progress: FloatArray, rng: np.random.Generator) -> People:
    """One person for each time of arrival; `progress` is that time as a share of the two years,
    shape (n,). Colleagues are not placed with anybody yet."""
    size = len(progress)
    firm = _firms(size, rng)
    title = _pick(tuple(share for _, share, _ in TITLES), size, rng)
    source = _sources(progress, rng)
    intent = np.array([row[3] for row in SOURCES])[source] + rng.normal(0, 0.9, size)
    interest = 0.3 * intent + rng.normal(0, 0.8, size)
    # Everyone has a plan and it goes with the intent; whether it is in the CRM is another matter.
    urgency = intent + rng.normal(0, 1.0, size)
    timeline = _texts(TIMELINES)[
        np.clip(np.searchsorted(np.array([-1.2, -0.2, 0.8]), -urgency), 0, 3)
    ]
    titles = _texts([name for name, _, _ in TITLES])[title]
    budget = _texts([f"{amount:.0f}" for amount in _budgets(firm.employees, rng)])
    barred = _exactly(0.02, size, rng)
    firm.country[barred] = UNACCEPTABLE_COUNTRY[0]
    first = _texts(_FIRST)[rng.integers(len(_FIRST), size=size)]
    last = _texts(_LAST)[rng.integers(len(_LAST), size=size)]
    private = rng.random(size) < 0.12
    consent = np.where(
        rng.random(size) < np.array([row[4] for row in SOURCES])[source], "Yes", "No"
    )
    fields = {
        "First Name": first,
        "Last Name": last,
        "Email": _addresses(first, last, firm.domain, private, rng),
        "Phone": _phones(firm.country, rng),
        "Company": firm.name,
        "Title": _blank(titles, 0.08, rng),
        "Industry": firm.industry,
        "Employees": _texts([str(count) for count in firm.employees]),
        "Country": firm.country,
        "Lead Source": _texts([row[0] for row in SOURCES])[source],
        "Marketing Consent": _blank(_texts(consent), 0.05, rng),
        "Budget": _blank(budget, 0.72, rng),
        "Timeline": _blank(timeline, 0.68, rng),
        "Owner": _texts(OWNERS)[rng.integers(len(OWNERS), size=size)],
    }
    rank = np.array([worth for _, _, worth in TITLES])[title]
    size_fit = 0.5 - 0.25 * (np.log(firm.employees) - np.log(220)) ** 2 / 2
    enterprise = firm.employees >= 1000
    company_fit = firm.fit + np.clip(size_fit, -1.5, 0.5)
    fit = _fit(rank, enterprise, company_fit) - 0.5 * private - 0.15
    junk = _exactly(0.04, size, rng) & ~barred
    people = People(
        fields,
        fit,
        intent,
        interest,
        titles,
        timeline,
        budget,
        enterprise,
        barred,
        junk,
        (rng.random(size) < _COLLEAGUE_SHARE) & ~barred & ~junk,
        rank,
        company_fit,
    )
    return _with_junk(people, rng)


def _fit(rank: FloatArray, enterprise: BoolArray, company_fit: FloatArray) -> FloatArray:
    """In a large company the person's rank decides more, in a small one the trade does."""
    return np.where(enterprise, 1.4, 0.8) * rank + company_fit


@dataclass(frozen=True)
class _Firms:
    name: TextArray
    domain: TextArray
    industry: TextArray
    country: TextArray
    employees: IntArray
    fit: FloatArray


def _firms(size: int, rng: np.random.Generator) -> _Firms:
    """The company of each of `size` people; about every third company sends more than one."""
    count = max(1, round(0.7 * size))
    industry = _pick(tuple(row[1] for row in INDUSTRIES), count, rng)
    country = _pick(tuple(row[1] for row in COUNTRIES), count, rng)
    employees = np.clip(np.exp(rng.normal(np.log(180), 1.5, count)), 2, 60_000).astype(np.int64)
    stems = [
        start + middle + end
        for start in _STEM_STARTS
        for middle in _STEM_MIDDLES
        for end in _STEM_ENDS
    ]
    order = rng.permutation(len(stems))
    names = []
    domains = []
    for number in range(count):
        words = INDUSTRIES[industry[number]][3]
        trade = words[number % len(words)]
        lap, place = divmod(number, len(stems))
        branch = f" {lap + 1}" if lap else ""
        names.append(f"{stems[order[place]]} {trade}{branch}")
        domains.append(_domain_of(names[-1]))
    of = rng.integers(count, size=size)
    return _Firms(
        _texts(names)[of],
        _texts(domains)[of],
        _texts([row[0] for row in INDUSTRIES])[industry][of],
        _texts([row[0] for row in COUNTRIES])[country][of],
        employees[of],
        np.array([row[2] for row in INDUSTRIES])[industry][of],
    )


def _domain_of(company: str) -> str:
    stem, trade, *branch = company.lower().split()
    return f"{stem}-{trade}{''.join(branch)}.example"


def _sources(progress: FloatArray, rng: np.random.Generator) -> IntArray:
    early = np.array([row[1] for row in SOURCES])
    late = np.array([row[2] for row in SOURCES])
    shares = early[None, :] + progress[:, None] * (late - early)[None, :]
    edges = np.cumsum(shares / shares.sum(axis=1, keepdims=True), axis=1)
    place: IntArray = (rng.random(len(progress))[:, None] > edges).sum(axis=1).astype(np.int64)
    return np.minimum(place, len(SOURCES) - 1)


def _budgets(employees: IntArray, rng: np.random.Generator) -> FloatArray:
    """Money per year that a company of that size would spend, in euros, rounded as people do."""
    amounts = 1500.0 * np.sqrt(employees) * np.exp(rng.normal(0, 0.5, len(employees)))
    return np.maximum(np.round(amounts / 500) * 500, 500)


def _addresses(
    first: TextArray,
    last: TextArray,
    domain: TextArray,
    private: BoolArray,
    rng: np.random.Generator,
) -> TextArray:
    # A number on every free address keeps it from being that of somebody real.
    number = rng.permutation(len(first)) + 10_000
    hosts = rng.integers(len(_FREE_MAIL), size=len(first))
    names = [f"{one}.{two}".lower() for one, two in zip(first, last, strict=True)]
    return _texts(
        [
            (
                f"{name}.d{number[row]}@{_FREE_MAIL[hosts[row]]}"
                if private[row]
                else f"{name}@{domain[row]}"
            )
            for row, name in enumerate(names)
        ]
    )


def _phones(country: TextArray, rng: np.random.Generator) -> TextArray:
    patterns = {name: pattern for name, _, pattern in COUNTRIES} | dict([UNACCEPTABLE_COUNTRY])
    digits = rng.integers(10, size=(len(country), 8))
    phones = []
    for place, row in zip(country, digits, strict=True):
        left = iter(row)
        phones.append("".join(str(next(left)) if sign == "#" else sign for sign in patterns[place]))
    return _blank(_texts(phones), 0.15, rng)


def _with_junk(people: People, rng: np.random.Generator) -> People:
    """The same people, where the junk is made up by somebody who wanted the e-book but no
    call."""
    fields = {name: values.copy() for name, values in people.fields.items()}
    for row in np.flatnonzero(people.junk):
        first, last, address, phone = _JUNK[rng.integers(len(_JUNK))]
        number = rng.integers(10, 1000)
        written = {
            "First Name": first,
            "Last Name": last,
            "Email": address.format(number),
            "Phone": phone,
            "Company": first,
        }
        for name, value in written.items():
            fields[name][row] = value
    return replace(people, fields=fields)


def _texts(values: "list[str] | tuple[str, ...] | NDArray[np.str_]") -> TextArray:
    return np.array(values, dtype=np.object_)


def _blank(values: TextArray, share: float, rng: np.random.Generator) -> TextArray:
    """The same values, a share of them emptied at random."""
    return np.where(rng.random(len(values)) < share, "", values).astype(np.object_)


def _pick(shares: tuple[float, ...], size: int, rng: np.random.Generator) -> IntArray:
    weights = np.array(shares)
    place = np.searchsorted(np.cumsum(weights / weights.sum()), rng.random(size))
    return np.minimum(place, len(shares) - 1).astype(np.int64)


def _exactly(share: float, size: int, rng: np.random.Generator) -> BoolArray:
    """A mask with that share of rows set, and at least one, so that a small company shows the
    feature too."""
    mask = np.zeros(size, dtype=np.bool_)
    mask[rng.permutation(size)[: max(1, round(share * size))]] = True
    return mask
