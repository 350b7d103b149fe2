"""A lexicon of CRM vocabulary: words for statuses won and lost, stages, kinds of activity, and
columns that are personal or written too late.

Statuses are known in English, German, French, Spanish, Portuguese, Italian, Dutch, Swedish,
Danish, Norwegian, Finnish, Czech, Hungarian, Russian, Polish, Turkish, Greek, Hebrew, Arabic,
Japanese, Chinese and Korean. Only for first guesses, which people check: a definition, once
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
    r"|ganad[oa]|ganh[oa]|vint[oa])|junk|spam|bogus|recycled|no[\s_-]*go|failed|failure"
    r"|fake|rejected|refused|declined|cancell?ed|abandoned|dead|invalid|duplicate|withdrawn"
    r"|cannot[\s_-]+contact|out-?sold|closed[\s_-]+rerouted"
    r"|abgesagt|abgelehnt|abgebrochen|verloren|storniert|unqualifiziert|disqualifiziert|ungültig"
    r"|kein\s+bedarf|kein\s+interesse|gescheitert"
    r"|perdue?s?|refusée?s?|annulée?s?|disqualifiée?s?|abandonnée?s?|rejetée?s?|sans\s+suite"
    r"|perdid[oa]s?|rechazad[oa]s?|descartad[oa]s?|descalificad[oa]s?|cancelad[oa]s?|anulad[oa]s?"
    r"|desqualificad[oa]s?|recusad[oa]s?|rejeitad[oa]s?"
    r"|pers[oaie]|annullat[oa]|squalificat[oa]|rifiutat[oa]|scartat[oa]"
    r"|afgewezen|afgekeurd|geannuleerd|gediskwalificeerd|ongekwalificeerd|vervallen"
    r"|(сделка\s+)?(не\s*успешн\w*|провален\w*|проигран\w*|отказ\w*|отклон[её]н\w*|потерян\w*)"
    r"|(закрыто\s+и\s+)?не\s+реализован\w*|przegran[aey]|odrzucon[aey]|utracon[aey]"
    r"|kaybedil\w*|reddedil\w*|iptal\s+edil\w*|χαμέν\w+|απορρίφθηκ\w+|χάθηκ\w+"
    r"|förlora[dt]e?|avböj[dt]a?|avslag|tappad|makulerad|(ej|inte|ikke)\s+\w*(kvalific|kvalifis|intress"
    r"|interess|relevant|vunn|vund)\w*|(okvalific|diskvalific|diskvalifis)\w*|avbruten"
    r"|tabt|afvist|annulleret|tapt|avvist|avslått|kansellert"
    r"|hävitty|menetetty|hylätty|peruttu|ei\s+(kiinnostu\w+|kelpaa|voitettu)"
    r"|prohrán\w*|prohran\w*|ztracen\w*|odmítnut\w*|zamítnut\w*|zrušen\w*|nekvalifikovan\w*"
    r"|neúspěšn\w*|elvesz[ietí]\w*|elutasít\w*|visszautasít\w*|meghiúsult|sikertelen\w*|törölve"
    r"|אבוד|אבודה|אבד|אבדה|הפסד|בהפסד|נדחה|נדחתה|בוטל|בוטלה|לא\s+(רלוונטי|מתאים|מעוניין|נסגר)\w*"
    r"|خسارة|خاسرة?|خسرت?|مفقودة?|مرفوضة?|ملغ[ىيا]ة?|فشلت?|فاشلة?|غير\s+(مؤهل|ناجح|مهتم)\w*)\b"
    r"|失注|敗注|不成約|不成立|却下|見送り|キャンセル|対象外|断念"
    r"|[丢丟]失|[输輸][单單]|流失|失[败敗]|未成交|未签约|未簽約|不成功|未成功|[无無]效|放[弃棄]|拒[绝絕]|不合格|作[废廢]|取消"
    r"|실주|실패|거절|취소|탈락|무효|부적격|패배|포기"
    r"|notconverted|closedlost"
)
_WON = _pattern(
    r"\b(closed?[\s_-]*won|won|converted|customers?|clients?|evangelists?|sold|purchased|signed"
    r"|bought|enrolled|successful|gewonnen|kunden?|verkauft|auftrag\s+erteilt|konvertiert"
    r"|gagnée?s?|vendue?s?|signée?s?|convertie?s?"
    r"|ganad[oa]s?|vendid[oa]s?|clientes?|convertid[oa]s?|ganh[oa]s?"
    r"|vint[oaie]|vendut[oa]|convertit[oa]|klant(en)?|verkocht|geconverteerd"
    r"|успешн\w*|выигран\w*|продан[оаы]?|реализован\w*|оплачен[оаы]?|клиент\w*"
    r"|wygran[aey]|sprzedan[aey]|kazanıl\w*|satıldı|κερδισμέν\w+|κερδήθηκ\w+"
    r"|vunnen|vunnet|vunna|såld|sålt|vundet|solgt|kund|kunder|voitettu|myyty|asiakas"
    r"|vyhrán\w*|vyhran\w*|získán\w*|prodán\w*|úspěšn\w*|zákazník|megnyer\w*|elnyer\w*|nyert|eladva"
    r"|sikeres\w*|ügyfél|זכייה|זכינו|נמכר|נמכרה|הצלחה|בהצלחה"
    r"|فوز|الفوز|فائزة?|رابحة?|ناجحة?|مكتسبة?|مكسوبة?|تم\s+البيع|مباعة?)\b"
    r"|(?<!未)受注|(?<!未)成約|契約済|契約締結|成交|[赢贏][单單得]|已[签簽][约約]|[签簽][约約]成功|成功"
    r"|수주|성사|성공|낙찰|계약\s*(완료|체결)|closedwon"
)
_NOT_YET = _pattern(
    r"\b(potential|prospective|prospect|potenzielle?r?|potenciale?s?|potentiel(le)?s?|potenciais"
    r"|potenzial[ei]|potentiële|futur\w*|potentiell\w*|potentiaali\w*|mahdolli\w*|potenciální|potenciális"
    r"|lehetséges|פוטנציאלי\w*|محتملة?)\b|見込|予定|候補|受注前|成約前|[预預][计計]|潜在|潛在|意向|即[将將]|待成交|예정|예상|잠재"
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
    }
)
NO = frozenset(
    {
        *("0", "no", "n", "false", "f", "nein", "non", "faux", "não", "nao", "nee"),
        *("falso", "falsch", "onwaar", "lost"),
    }
)


def meaning_of_status(value: str) -> Literal["won", "lost"] | None:
    """Whether a status means won or lost ("not converted" is lost); None for an open lead."""
    word = value.replace("_", " ")
    if _LOST.search(word):
        return "lost"
    return "won" if _WON.search(word) and not _NOT_YET.search(word) else None


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
