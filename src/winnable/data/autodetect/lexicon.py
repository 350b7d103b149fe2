"""A lexicon of CRM vocabulary: words for statuses won and lost, stages, kinds of activity, and
columns that are personal or written too late.

Statuses are known in English, German, French, Spanish, Portuguese, Italian, Dutch, Swedish,
Danish, Norwegian, Finnish, Polish, Czech, Hungarian, Russian, Turkish, Greek, Hebrew, Arabic,
Chinese, Japanese and Korean. Only for first guesses, which people check: a definition, once
written, is exact.
"""

import re
from typing import Literal

from winnable.definition.schema import StageName


def _pattern(words: str) -> re.Pattern[str]:
    return re.compile(words, re.IGNORECASE)


_NOT = r"(not?|never|nicht|kein\w*|non|pas|jamais|nunca|n[aã]o|niet|geen)"
"""No and not in seven languages."""
_GOOD = r"(qualifi\w*|quali[fv]\w*|calific\w*|cualific\w*|gekwalific\w*|gequalific\w*)"
_LOST = _pattern(
    rf"\b(closed?[\s_-]*lost|lost|un-?qualified|dis-?qualified|{_NOT}[\s_-]+(\w+[\s_-]+)?"
    rf"({_GOOD}|converted|convert\w*|konvertiert|won|gewonnen|interest\w*|interess\w*|gagnée?s?"
    r"|ganad[oa]|ganh[oa]|vint[oa])|junk|spam|bogus|recycled|no[\s_-]*(go|deal|sale)|failed|failure"
    r"|fake|rejected|refused|declined|cancell?ed|abandoned|dead|invalid|duplicate|withdrawn"
    r"|not[\s_-]+renewed|churned|lapsed|cannot[\s_-]+contact|out-?sold|closed[\s_-]+rerouted"
    r"|abgesagt|abgelehnt|abgebrochen|verloren|storniert|unqualifiziert|disqualifiziert|ungültig"
    r"|kein\s+bedarf|kein\s+interesse|gescheitert"
    r"|perdue?s?|refusée?s?|annulée?s?|disqualifiée?s?|abandonnée?s?|rejetée?s?|sans\s+suite"
    r"|perdid[oa]s?|rechazad[oa]s?|descartad[oa]s?|descalificad[oa]s?|cancelad[oa]s?|anulad[oa]s?"
    r"|desqualificad[oa]s?|recusad[oa]s?|rejeitad[oa]s?"
    r"|pers[oaie]|annullat[oa]|squalificat[oa]|rifiutat[oa]|scartat[oa]"
    r"|afgewezen|afgekeurd|geannuleerd|gediskwalificeerd|ongekwalificeerd|vervallen"
    r"|не\s*качественн\w*|(сделка\s+)?(не\s*успешн\w*|провален\w*|проигран\w*|отказ\w*|отклон[её]н\w*|потерян\w*)"
    r"|(закрыто\s+и\s+)?не\s+реализован\w*|przegran[aey]|odrzucon[aey]|utracon[aey]"
    r"|kaybedil\w*|reddedil\w*|iptal\s+edil\w*|χαμέν\w+|απορρίφθηκ\w+|χάθηκ\w+)\b"
    r"|notconverted|closedlost"
)
_WON = _pattern(
    r"\b(closed?[\s_-]*won|won|converted|customers?|clients?|evangelists?|sold|purchased|signed"
    r"|bought|enrolled|renewed|successful|gewonnen|kunden?|verkauft|auftrag\s+erteilt|konvertiert"
    r"|gagnée?s?|vendue?s?|signée?s?|convertie?s?"
    r"|ganad[oa]s?|vendid[oa]s?|clientes?|convertid[oa]s?|ganh[oa]s?"
    r"|vint[oaie]|vendut[oa]|convertit[oa]|klant(en)?|verkocht|geconverteerd"
    r"|успешн\w*|выигран\w*|продан[оаы]?|реализован\w*|оплачен[оаы]?|клиент\w*"
    r"|wygran[aey]|sprzedan[aey]|kazanıl\w*|satıldı|κερδισμέν\w+|κερδήθηκ\w+)\b|closedwon"
)
_QUALIFIED = _pattern(rf"({_GOOD}|качественн\w*)([\s_-]+(leads?|contact\w*|лид))?")
_OPPOSITE = _pattern(
    r"(not?|did\s+not|didn'?t|was\s+not|nicht|kein\w*|non|pas(\s+de)?|no|sin|n[aã]o|sem|senza"
    r"|niet|geen|nie|bez|не|нет|без)[\s_-]+(?P<what>.+)"
)
"""A word with a no before it, in the languages of the lexicon."""
_NOT_ELSEWHERE = r"(inte|ej|icke|ikke|ei|ne|nem|nie|لم|לא)"
"""Not, in the languages of the next two."""
_WON_WORDS = (
    r"vunn[ae]|vunnen|vunnet|såld[a]?|sålt|kund|vundet|vundne|solgt|kunde|voitet\w+|myyty|asiakas"
    r"|vyhrán[oay]?|vyhran[ýáéo]|prodán[oay]?|zákazník|úspěšn\w+|(meg)?nyer(t|ve|tes)|eladva|sikeres"
    r"|נסגר בהצלחה|הצלחה|זכינו|זכייה|נמכר|(تم )?(ال)?فوز|فاز بها|رابحة?|مربوحة?|مكتسبة?|تم البيع"
)
_WON_ELSEWHERE = _pattern(
    rf"\b({_WON_WORDS})\b|受注|成約|契約済|赢单|贏單|成交|签约|簽約|签单|已赢|赢得|贏得|수주|성사|계약\s*완료|성공"
)
_LOST_ELSEWHERE = _pattern(
    rf"\b{_NOT_ELSEWHERE}[\s_-]+(\w+[\s_-]+)?({_WON_WORDS}|kvalifi\w+|intress\w+|interess\w+"
    r"|kiinnostunut)\b|\b(förlora(d|t|de)|avböjd|avvisad|tabt|tabte|afvist|annulleret|tapt|avvist"
    r"|avslått|kansellert|hävi(tt|te)\w+|menete\w+|hylätty|peruttu|prohrán[oay]?|prohran[ýáéo]"
    r"|ztracen\w*|zamítnut\w*|odmítnut\w*|zrušen\w*|neúspěšn\w+|elv(e|é)s\w+|vesztes|elutasít\w*"
    r"|sikertelen|ללא הצלחה|הפסד\w*|אבוד|אבד|לא רלוונטי|(تم )?(ال)?خسارة|خاسرة?|خسر\w*|مفقودة?"
    r"|مرفوضة?|ملغاة|ملغى)\b|失注|敗戦|見送り|失単|输单|輸單|丢单|丟單|战败|戰敗|流失|无效|無效"
    r"|[未没沒](能)?(成交|赢|贏|签|簽)|실주|실패|거절|수주\s*취소|계약\s*취소"
)
_EXPECTED_ELSEWHERE = _pattern(
    r"受注(前|見込|予定|確度)|成約(見込|予定)|未(受注|成約)|待(成交|签约|簽約)|预计|預計|意向|수주\s*(예정|예상|전)"
    r"|(성사|계약\s*완료)\s*(예정|예상|전)|성공\s*(예정|예상)"
)
"""Won only in the future."""
_NOT_YET = _pattern(
    r"\b(potentiell\w*|potensiell\w*|mahdollinen|potenciáln\w*|potenciális|potential|prospective"
    r"|prospect|potenzielle?r?|potenciale?s?|potentiel(le)?s?|potenciais"
    r"|potenzial[ei]|potentiële|futur\w*)\b"
)
"""A potential customer is not yet one."""
_STAGES: tuple[tuple[StageName, re.Pattern[str]], ...] = (
    ("MQL", _pattern(r"\b(mql|marketing[\s_-]*qualified\w*|engaged|hot)\b|marketingqualified")),
    (
        "SAL",
        _pattern(
            r"\b(sal|(sales[\s_-]*)?accepted\w*|working|in[\s_-]*progress|connected|contacted)\b"
        ),
    ),
    (
        "SQL",
        _pattern(
            r"\b(sql|sales[\s_-]*qualified\w*|qualified|qualification|needs[\s_-]*analysis)\b|salesqualified"
        ),
    ),
    (
        "opportunity",
        _pattern(
            r"\b(opportunity|negotiat\w*|propos\w*|quot(e|ed|ation)|demo\w*|evaluation|contract\w*|decision|commit\w*|engaging|"
            r"value[\s_-]*proposition|perception[\s_-]*analysis|presentation\w*|verhandlung|angebot)\b"
        ),
    ),
    ("MAL", _pattern(r"\b(subscriber|anonymous|visitor)\b")),
    (
        "MIL",
        _pattern(
            r"\b(new|open|lead|mil|enquiry|inquiry|raw|prospect\w*|not[\s_-]*contacted|attempted[\w\s-]*"
            r"|uncontacted|neu|offen|nouveau|nuevo)\b"
        ),
    ),
)
"""Stages by the words that CRMs use for them, tried in this order after `_UNTOUCHED`."""
_UNTOUCHED = _pattern(
    r"\b(not[\s_-]*contacted|uncontacted|attempted|pre[\s_-]*qualified|contact\s+in\s+future)\b"
)
"""Statuses of leads that nobody has reached yet."""

_DONE = _pattern(
    r"\b(done|completed?|finished|erledigt|abgeschlossen|termin[ée]e?|hecho|completad[oa]|conclu[ií]d[oa]"
    r"|completat[oa]|afgerond|gereed)\b"
)
_SERVICE = _pattern(
    r"\b(services?|support|tickets?|onboarding|implementation|recruit\w*|hiring|kundendienst"
    r"|kundenservice|assistance|assistenza|servicio|soporte|suporte|klantenservice)\b"
)
"""Pipelines in which nothing is sold."""

_SOURCES = _pattern(
    r"\b(web\w*|website|internet|online|organic\w*|paid|direct|search|seo|sea|google|facebook"
    r"|instagram|linkedin|social\w*|referr\w+|e-?mail\w*|newsletter|trade\s*shows?|events?|fairs?"
    r"|exhibition|cold\s*calls?|outbound|inbound|call|phone|partners?|advert\w*|ads?|word\s+of"
    r"\s+mouth|webinar\w*|seminar\w*|campaign|chat|messe|empfehlung\w*|kaltakquise|telefon\w*"
    r"|anzeige|veranstaltung|salon|recommandation|parrainage|appel|site|payant|organique|publicité"
    r"|feria|recomendación|referido|llamada|sitio|publicidad|evento|redes\s+sociales|feira"
    r"|indicação|ligação|anúncio|redes\s+sociais|fiera|passaparola|chiamata|pubblicità|sito"
    r"|segnalazione|beurs|aanbeveling|doorverwijzing|verwijzing|bellen|telefoon|advertentie)\b"
)

_INTENT = _pattern(
    r"pric(e|ing)|demo|trial|quot(e|ation)|proposal|buy|purchase|checkout|cart|contact\s*(us|sales|form"
    r"|request)|request|talk\s*to"
    r"|book(ed)?\s+a|meeting|appointment|\bcalls?\b|call\s*back|consult|surge|intent|comparison|\broi\b"
    r"|calculator|live\s*chat|\bchat\b"
    r"|angebot|preis|termin|anruf|anfrage"
)
_INTEREST = _pattern(
    r"e-?mail|newsletter|open(ed)?\b|click|e-?book|white\s*paper|download|webinar|video|blog|page\s*view"
    r"|view|visit|session|website"
    r"|landing|event|booth|trade\s*show|swag|fair|social|linkedin|subscrib|survey|form|registration|podcast|messe"
)
_HAND_RAISE = _pattern(
    r"demo|quot(e|ation)|contact\s*(us|sales|form|request)|call\s*(me\s*)?back|talk\s*to|book(ed)?\s+a"
    r"|appointment|consult|angebot|anfrage|rückruf"
)
_CONFUSED = _pattern(r"unsubscri|bounce|opt(ed)?[\s-]*out|complaint|spam")

_LATE = _pattern(
    r"\b(date (entered|exited)|(cumulative )?time in|became an?"
    r"|last|latest|recent|modified|updated|changed|tags?|quality|lead profile|score|scoring|grade"
    r"|rating|index|probabilit\w+|forecast"
    r"|expected|weighted|likelihood|next step|next activity|reason|loss|lost|won|days to"
    r" close|duration"
    r"|close[d_ ]?(value|amount|by)"
    r"|actual (value|revenue)|invoice\w*|contract\w*|signed|deal id|seller id|customer id|account"
    r" id)\b"
)
_PERSONAL = _pattern(
    r"^((first|last|middle|full|contact|lead|person|display)?[\s_]*name|surname|salutation|phone\w*"
    r"|telephone\w*|mobile\w*|fax|tel"
    r"|(business|work|home|main)[\s_]*(phone|number|address)|street\w*|address\w*|zip\w*|postal[\s_]*code"
    r"|postcode|skype\w*|twitter\w*"
    r"|linkedin\w*|facebook\w*|url|website\w*|web[\s_]*site|e-?mail\w*|secondary[\s_]*e-?mail|vorname"
    r"|nachname|telefon\w*|strasse|plz)$"
)
_FREE_TEXT = _pattern(
    r"\b(notes?|comments?|description|remarks?|message|free"
    r" text|bemerkung\w*|notiz\w*|beschreibung)\b"
)
_FIXED = _pattern(
    r"\b(country|region|state|province|city|industry|sector|segment|employees|company"
    r" size|size|headcount"
    r"|annual revenue|gender|language"
    r"|lead source|source|original source\w*|origin|channel|campaign|landing page\w*|product"
    r"|specialization|occupation|referr\w+|type|team"
    r"|stadt|land|branche|mitarbeiter)\b"
)
_BANT: tuple[tuple[Literal["budget", "authority", "need", "timeframe"], re.Pattern[str]], ...] = (
    ("budget", _pattern(r"\bbudget( amount)?\b")),
    (
        "authority",
        _pattern(
            r"\b(job title|title|position|job position|role|authority|decision maker|function)\b"
        ),
    ),
    ("need", _pattern(r"\b(need|pain|pain point|use case|challenge)\b")),
    ("timeframe", _pattern(r"\b(timeline|time ?frame|purchase time ?frame|timing|when to buy)\b")),
)

YES = frozenset(
    {
        *(
            "1",
            "yes",
            "y",
            "true",
            "t",
            "ja",
            "j",
            "oui",
            "o",
            "vrai",
            "si",
            "sí",
            "s",
            "sì",
            "sim",
        ),
        *("verdadero", "verdadeiro", "vero", "wahr", "waar", "x", "won"),
        *(
            "да",
            "tak",
            "evet",
            "ναι",
            "ano",
            "igen",
            "kyllä",
            "כן",
            "نعم",
            "はい",
            "是",
            "예",
            "네",
        ),
    }
)
NO = frozenset(
    {
        *("0", "no", "n", "false", "f", "nein", "non", "faux", "não", "nao", "nee"),
        *("falso", "falsch", "onwaar", "lost"),
        *(
            "нет",
            "nie",
            "hayır",
            "όχι",
            "ne",
            "nem",
            "ei",
            "nej",
            "nei",
            "לא",
            "لا",
            "いいえ",
            "否",
        ),
        *("아니요", "아니오"),
    }
)


def meaning_of_status(value: str) -> Literal["won", "lost"] | None:
    """Whether a status means won or lost ("not converted" is lost); None for an open lead."""
    word = value.replace("_", " ")
    if _EXPECTED_ELSEWHERE.search(word):
        return None
    if _LOST.search(word) or _LOST_ELSEWHERE.search(word):
        return "lost"
    is_won = _WON.search(word) or _WON_ELSEWHERE.search(word)
    return "won" if is_won and not _NOT_YET.search(word) else None


def is_qualified(value: str) -> bool:
    """Whether a status says no more than that a lead is qualified: "Качественный лид"."""
    return _QUALIFIED.fullmatch(value.replace("_", " ").strip()) is not None


def opposite_of(value: str) -> str | None:
    """What a status says no to, in lower case: "kein auftrag" is the opposite of "auftrag"; None
    where it says no to nothing."""
    found = _OPPOSITE.fullmatch(value.replace("_", " ").strip())
    return None if found is None else found["what"].casefold()


def is_done(value: str) -> bool:
    """Whether a status says that all is over, but not how: "Done"."""
    return _DONE.search(value.replace("_", " ")) is not None


def is_service(pipeline: str) -> bool:
    """Whether a pipeline's name says that nothing is sold in it: "Customer service"."""
    return _SERVICE.search(pipeline.replace("_", " ")) is not None


def meaning_of_source(value: str) -> bool:
    """Whether a value is a usual source of leads, such as "Trade show" or "Empfehlung"."""
    return _SOURCES.search(value.replace("_", " ")) is not None


def stage_of_word(value: str) -> StageName | None:
    """The stage that an open status usually means; None if its words are not known."""
    word = value.replace("_", " ")
    if _UNTOUCHED.search(word):
        return "MIL"
    return next((stage for stage, pattern in _STAGES if pattern.search(word)), None)


def meaning_of_kind(kind: str) -> Literal["intent", "interest"] | None:
    """Whether a kind of activity shows intent to buy or mere interest; None where its name suggests
    neither."""
    word = kind.replace("_", " ")
    if _CONFUSED.search(word):
        return None
    if _INTENT.search(word):
        return "intent"
    return "interest" if _INTEREST.search(word) else None


def asks_for_sales(kind: str) -> bool:
    """Whether people who do this kind of activity ask for sales themselves, by its name."""
    return _HAND_RAISE.search(spaced(kind)) is not None


def spaced(column: str) -> str:
    """A column's name as separate words: lastModifiedDate and last_modified_date are "last Modified
    Date"."""
    return " ".join(re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_\W]+", " ", column).split())


def why_personal(column: str) -> str | None:
    """Why a column of this name should not be learned from, whenever it was filled; None where its
    name is no reason."""
    name = spaced(column)
    if _PERSONAL.match(name):
        return "it identifies a person and does not say what they want"
    return "free text" if _FREE_TEXT.search(name) else None


def why_late(column: str) -> str | None:
    """Why a column of this name probably depends on the outcome; None where its name is no
    reason."""
    if _LATE.search(spaced(column)):
        return "it is filled in or changed while a lead is worked"
    return None


def is_fixed(column: str) -> bool:
    """Whether a column of this name is usually known at creation and not changed after."""
    return _FIXED.search(spaced(column)) is not None


def bant_of(column: str) -> Literal["budget", "authority", "need", "timeframe"] | None:
    """Which of budget, authority, need and timeframe a column of this name holds, if any."""
    name = spaced(column)
    return next((need for need, pattern in _BANT if pattern.fullmatch(name)), None)
