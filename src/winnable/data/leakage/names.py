"""Target leakage by name: what a column's name tells about when its value becomes known.

A CRM fills many columns after the fact: why the deal was closed, what sales thinks of the lead,
when it was last touched, how long everything took. Their names tell, in English and in the field
names of Salesforce, HubSpot, Dynamics, Zoho and Odoo. A name is read word by word, never by parts
of words (`Window` does not contain "win"). A name alone is a hint, not a proof: its weight in
log-odds is added to the other evidence in `winnable.data.leakage.detect`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Clue:
    """One piece of evidence about a column: what it adds to the log-odds of leakage, and its
    wording for people. `decides`: it claims that the column tells how leads ended, which its values
    can contradict."""

    weight: float
    text: str
    decides: bool = False


@dataclass(frozen=True)
class _Rule:
    """Matches a name that has a word from each of the groups `words`, and none of `unless`."""

    weight: float
    text: str
    words: tuple[frozenset[str], ...]
    unless: frozenset[str] = frozenset()
    decides: bool = False


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


def _rule(weight: float, text: str, *words: str, unless: str = "", decides: bool = False) -> _Rule:
    return _Rule(weight, text, tuple(_words(group) for group in words), _words(unless), decides)


# How much a name counts as evidence of leakage, in log-odds.
SURE = 4.0
LIKELY = 3.3
FAIR = 2.3
SOME = 1.2

_BEFORE = _words(
    "previous prior past former existing historical history earlier before initial first original"
    " pre prev"
)
"""Words that place a value before this lead was created: a previous cancellation is known from the
start."""

_KNOWN_EARLY = _words(
    "country city state region province area zip postal postcode address language industry sector"
    " segment vertical source origin channel medium campaign utm referrer referral landing created"
    " age birth birthday gender sex marital job occupation profession title role seniority"
    " education employee size headcount company website domain device browser platform os timezone"
    " nationality ethnicity income year founded established model brand product category plan tier"
    " package budget timeline timeframe need"
)
"""What a form asks for or a visit shows: known when the lead is created."""

_THE_LEAD = "lead deal opportunity opp prospect contact customer client account pipeline sale crm"
_WORK = (
    "activity engagement interaction touch touchpoint contacted modified modification updated"
    " viewed referenced login visit seen action event call called email emailed mail sms message"
    " meeting replied reply response opened conversation notable chat stage step note assignment"
    " assigned follow followup change changed"
)
_TRACES = (
    "activity engagement interaction touch touchpoint call email mail sms message meeting reply"
    " response visit session view time click open download event webinar chat change attempt follow"
    " followup task reschedule page contact"
)
_OTHER_STATUS = (
    "marital civil family employment employed housing home residency residence residential smoking"
    " smoker visa immigration military tax student economic legal vip opt consent gdpr membership"
    " parental veteran health social checking savings credit"
)
_PAPERS = (
    "contract invoice order policy receipt payment transaction subscription purchase booking"
    " enrollment enrolment"
)
_OF_PAPERS = (
    "id number no nr num code key ref reference date day time at on value amount signed start begin"
    " status state created total price"
)
_ENDINGS = (
    "signed signature paid purchased bought booked ordered activated enrolled onboarded onboarding"
    " admitted hired approved accepted declined rejected cancelled canceled cancellation"
    " disqualified churned churn sold refunded refund delivered shipped fulfilled commission"
    " renewed kickoff installed deactivated"
)
_DECISIONS = (
    "won win lost loss close closed decision rejection rejected reject disqualification"
    " disqualified cancellation cancel cancelled canceled churn exit dead junk status stage"
    " unqualified decline declined denial denied for"
)

_CLOSE = "its name refers to the close of the deal"
_STANDING = "its name describes the stage or status of the lead"
_CHANGED = "its name is the time when the record was last changed"
_LENGTH = "its name is a duration, which is only known at the end"
_GROWN = "its name is a total that may have grown until the outcome"
_PAPER = "its name refers to a contract, order or invoice, which follows the win"

_RULES = (
    # The outcome itself.
    _rule(SURE, _CLOSE, "close closed closing closure isclosed", unless="friend family"),
    _rule(
        SURE,
        "its name says that the lead was won or lost",
        "won win lost loss iswon",
        unless="back rate ratio score window",
        decides=True,
    ),
    _rule(
        SURE,
        "its name refers to conversion",
        "converted conversion isconverted",
        unless="rate landing",
        decides=True,
    ),
    _rule(SURE, "its name is the reason for a decision", "reason", _DECISIONS),
    _rule(
        FAIR, "its name is a reason, and reasons are entered when something is decided", "reason"
    ),
    _rule(LIKELY, _PAPER, _PAPERS, _OF_PAPERS, decides=True),
    _rule(FAIR, _PAPER, "contract invoice", unless="type length term", decides=True),
    _rule(LIKELY, "its name describes how the lead ended", _ENDINGS, decides=True),
    _rule(
        LIKELY,
        "its name describes the result",
        "outcome result disposition verdict conclusion",
        unless="search test exam lab",
        decides=True,
    ),
    _rule(
        FAIR,
        "its name refers to a proposal, which comes late in the sales process",
        "proposal quote quotation negotiation",
        "sent made date given value amount id number received signed accepted day time",
    ),
    _rule(FAIR, "its name is the quarter or year of the close", "fiscal", "quarter year period"),
    _rule(
        SOME,
        "its name tells whether the record is still active",
        "active inactive archived deleted",
    ),
    # Its stage or status.
    _rule(
        LIKELY,
        _STANDING,
        "stage lifecycle",
        unless="life funding growth company business startup education school career",
    ),
    _rule(
        LIKELY,
        _STANDING,
        "status",
        f"{_THE_LEAD} {_PAPERS} reservation application quote proposal record process call code"
        " reason date final current approval delivery",
        unless=_OTHER_STATUS,
    ),
    _rule(LIKELY, _STANDING, "statuscode kanban"),
    _rule(FAIR, _STANDING, "status statecode", unless=_OTHER_STATUS),
    # What is overwritten until the outcome.
    _rule(
        SURE,
        "its name refers to the latest event, which is overwritten until the outcome",
        "last latest recent",
        _WORK,
    ),
    _rule(SURE, _CHANGED, "modified modstamp systemmodstamp updated"),
    _rule(SURE, _CHANGED, "write", "date"),
    _rule(
        FAIR,
        "its name refers to the next step, which sales enters while working on the lead",
        "next",
        "step activity action task meeting call",
    ),
    # How people judge it.
    _rule(
        LIKELY,
        "its name is a judgment of the lead, revised while sales works on it",
        _THE_LEAD,
        "quality profile rating grade score temperature priority relevance rank tag ranking warmth"
        " potential",
    ),
    _rule(
        LIKELY,
        "its name is a score that is updated with everything the lead does",
        "activity profile engagement qualification behaviour behavior behavioral behavioural"
        " propensity interest intent hubspot pardot marketo",
        "score index rating grade points level",
    ),
    _rule(
        LIKELY,
        "its name is a forecast, which follows the stage",
        "probability likelihood propensity forecast predicted prediction",
    ),
    _rule(
        LIKELY,
        "its name is an expectation that sales revises",
        "expected projected weighted prorated actual",
        "revenue value amount date",
    ),
    _rule(
        FAIR + 0.5,
        "its name is a label that people add while they work on the lead",
        "tag label",
        unless="price",
    ),
    _rule(
        FAIR,
        "its name is a judgment that may be revised later",
        "quality rating temperature relevance",
        unless="air credit school course",
    ),
    _rule(
        FAIR,
        "its name is a score that may be revised later",
        "score",
        unless="credit risk fico nps test exam sat gre gmat rate apgar bureau math reading writing",
    ),
    _rule(
        LIKELY,
        "its name is what sales thinks of the lead",
        "sale rep agent owner sdr bdr telecaller",
        "feedback comment opinion assessment remark note impression view",
    ),
    _rule(
        SOME,
        "its name is free text that people add while they work on the lead",
        "note comment remark feedback memo transcript summary",
    ),
    # How long it took, how much there was.
    _rule(
        LIKELY,
        "its name refers to how fast the lead moved, which is only known at the end",
        "velocity",
    ),
    _rule(
        LIKELY,
        "its name refers to how long the sale took, which is only known at the end",
        "cycle elapsed turnaround",
        "sale deal day time length duration month week stage lead",
    ),
    _rule(
        LIKELY,
        "its name counts the time until a decision or the end of the sales process",
        "day time hour week month",
        "close won convert conversion qualify qualified decision purchase resolution",
    ),
    _rule(
        LIKELY,
        "its name counts the time in a stage",
        "day time hour duration",
        "stage status pipeline",
    ),
    _rule(
        FAIR + 0.4,
        "its name is the length of a call, which is only known after the call",
        "call talk conversation phone dial speaking",
        "length time second minute duration min sec",
    ),
    _rule(
        FAIR + 0.3,
        _LENGTH,
        "duration dur elapsed",
        unless=(
            "page session visit product administrative informational website loan plan trip stay"
            " campaign"
        ),
    ),
    _rule(SOME, _LENGTH, "duration dur elapsed"),
    _rule(
        FAIR,
        "its name adds up time over the lifetime of the lead",
        "total overall ratio cumulative",
        "days hours weeks months",
    ),
    _rule(
        SOME,
        _GROWN,
        "total count number num cumulative lifetime overall sum made done placed taken held",
        _TRACES,
    ),
    _rule(SOME, _GROWN, "total overall cumulative", "time spent"),
    _rule(
        SOME + 0.4,
        "its name is an amount that may only be known with the sale",
        "value ltv clv revenue amount spend spent",
        unless="annual yearly monthly company declared budget net house property income time agree",
        decides=True,
    ),
    _rule(
        FAIR,
        "its name is an amount that is only known with the sale",
        "deal purchase sale page closed order lifetime transaction basket cart",
        "value amount revenue total spend",
        decides=True,
    ),
    _rule(
        0.6,
        "its name is the person in charge, who may change when the lead progresses",
        "owner assignee assigned manager rep agent",
    ),
)

_HELPERS = _words(
    "system date time on at by is to in of has id lead name week hs code field custom total avg"
    " average"
)
_END_WORDS = _words(
    "won lost closed converted sold signed cancelled canceled rejected declined enrolled purchased"
    " churned"
)
_NEGATIONS = _words("non not no never yet previous prior existing")
_KEYS = _words("id number no nr num code key ref reference uuid guid")


def name_clue(name: str) -> Clue | None:
    """The evidence of a name, or None: a positive weight for values that are entered late, a
    negative one for values that are known early."""
    words = words_of(name)
    found = [
        rule
        for rule in _RULES
        if not words & rule.unless and all(words & group for group in rule.words)
    ]
    best = max(found, key=lambda rule: rule.weight, default=None)
    if best is not None and not words & _BEFORE:
        return Clue(best.weight, best.text, best.decides)
    if best is not None or words & _KNOWN_EARLY:
        return Clue(-1.0, "its name is of a kind that is known when a lead is created")
    return None


def names_an_outcome(value: str) -> bool:
    """Whether a value names the outcome of a lead: `Closed by partner`, `Cancelled`."""
    words = words_of(value)
    return bool(words & _END_WORDS) and not words & _NEGATIONS


def names_a_key(name: str) -> bool:
    """Whether the name is that of an identifier: `Contract No`, `order_id`."""
    return bool(words_of(name) & _KEYS)


def words_of(name: str) -> frozenset[str]:
    """The words of a name in lower case, with their singulars: `CloseDates`, `close_date` and
    `closedate` give the same words."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    plain = re.findall(r"[a-z]+", re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1 \2", spaced).lower())
    words = {part for word in plain for part in _parted(word)}
    return frozenset(words | {_singular(word) for word in words})


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes")):
        return word[:-2]
    if word.endswith("s") and len(word) > 3 and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


@cache
def _known_words() -> frozenset[str]:
    return frozenset(
        _HELPERS.union(_KNOWN_EARLY, *(group for rule in _RULES for group in rule.words))
    )


def _parted(word: str) -> Iterable[str]:
    """A compound of known words as these words (closedate: close, date); any other word
    unchanged."""
    known = _known_words()
    if word in known or _singular(word) in known:
        return [word]
    # shortest[end] is the split of word[:end] into the fewest known words.
    shortest: list[list[str] | None] = [[], *([None] * len(word))]
    for end in range(1, len(word) + 1):
        for start in range(end):
            before = shortest[start]
            part = word[start:end]
            if before is None or (part not in known and _singular(part) not in known):
                continue
            current = shortest[end]
            if current is None or len(before) + 1 < len(current):
                shortest[end] = [*before, part]
    return shortest[-1] or [word]
