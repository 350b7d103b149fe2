"""From the bytes of a text file to UTF-8: gzip and zstd are unpacked, the encoding is recognized.

An encoding is recognized by its byte order mark, as UTF-8 or UTF-16 by its form, else by its
letters: Chinese, Japanese and Korean by their frequent characters, Hebrew by the letters that end
its words, other scripts than the Latin one by charset-normalizer, and the code pages of the Latin
script by the alphabets that their letters fit, because charset-normalizer takes French for Czech.
Where two are equally likely, none is taken.
"""

import codecs
import gzip
import re
import zlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
from charset_normalizer import from_bytes

from winnable.core.text import counted
from winnable.errors import DataError

_SAMPLE_BYTES = 1 << 20
_MAX_WORDS = 2_000
_OTHER_SCRIPTS = (
    "cp1251",
    "koi8_r",
    "koi8_u",
    "cp866",
    "iso8859_5",
    "cp1253",
    "iso8859_7",
    "cp1255",
    "cp1256",
    "iso8859_6",
    "tis_620",
)
_KANA = "".join(map(chr, (*range(0x3041, 0x3097), *range(0x30A1, 0x30FD))))
_JAPANESE = frozenset(
    _KANA + "受注失成約契済商談中新規案件名会社株式有限合同代表取締役部長課員営業担当者顧客先様"
    "企業種別製造金融小売卸建設不動産情報通信運輸教育医療介護福祉食品飲料自車電機器化学薬保険証券銀行東京都大阪府道県市区町村北海神奈川"
    "埼玉千葉愛知兵庫福岡静茨城広島宮新潟野岐阜群馬栃木山岡熊本鹿児長崎沖縄奈良滋賀和歌三重石富青森岩手秋形田佐藤鈴高橋"
    "渡辺伊小林加吉清池浦井上村松斎坂原藤太郎子美一二月日年時分円万件数金額見積提案確定未完了終進行保留却下再検討依頼問合"
    "紹介展示電話訪問資料請求登録作更最終開始予期限理由備考住所国内外"
)
_SIMPLIFIED = frozenset(
    "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多定行学法所"
    "民得经十三之进着等部度家电力里如水化高自二理起小物现实加量都两体制机当使点从业本去把性好应开它合还因由其些然前外天政四"
    "日那社义事平形相全表间样与关各重新线内数正心反你明看原又么利比或但质气第向道命此变条只没结解问意建月公无系军很情者最立"
    "代想已通并提直题程展五果料象员革位入常文总次品式活设及管特件长求老头基资边流路级少图山统接知较将组见计别她手角期根论运"
    "客户名称状态城市行业司限北京上海广州深圳杭南武汉成都重庆津苏西安王李张刘陈杨赵黄周吴徐孙胡朱林何郭马罗梁韩伟芳娜敏静强"
    "磊洋艳勇军杰丽涛超明霞成交赢单输失丢跟谈判潜售签约商机销来源渠网站电话邮件推荐展会制造金融零售教育医疗房赢得关闭备注负责"
)
_TRADITIONAL = frozenset(
    "的一是在不了有和人這中大為上個國我以要他時來用們生到作地於出就分對成會可主發年動同工也能下過子說產種面而方後多定行學法所"
    "民得經十三之進著等部度家電力裡如水化高自二理起小物現實加量都兩體制機當使點從業本去把性好應開它合還因由其些然前外天政四"
    "日那社義事平形相全表間樣與關各重新線內數正心反你明看原又麼利比或但質氣第向道命此變條只沒結解問意建月公無系很情者最立代"
    "客戶名稱狀態城市行業司限台北高雄台中台南桃園新竹香港澳門九龍王李張劉陳楊趙黃周吳徐孫胡朱林何郭馬羅梁韓偉芳美玲志明淑惠俊"
    "傑成交贏單輸失丟流跟談判潛售簽約商機銷來源渠網站電話郵件推薦展會製造金融零售教育醫療產房備註負責贏得關閉科技股份"
)
_KOREAN = frozenset(
    "가각간감강개거건결경계고공과관광교구국군권규금기김나남내노녹농다단담당대도동두드라락래량러레력련로록료루류르리린림마만망매면명모목무"
    "문물미민박반발방배백범법변병보복본부북분비사산상새생서석선설성세소속손송수순스승시식신실심아안알애야약양어업에여역연열영예오온올완"
    "외요용우운울원월위유육윤은을음응의이인일임입자작잔장재저적전절정제조종주준중증지직진집차찬창채처천철청체초최추축출충치카코크타태터테토통"
    "투트특티파판팔패편평포표품프피하학한합해행향허현협형호홍화확환활회효후훈희고객명상태도시업종수주실주계약진행종료성공실패제안견적"
)
_CHARACTERS = {
    "cp932": _JAPANESE,
    "euc_jp": _JAPANESE,
    "gb18030": _SIMPLIFIED,
    "cp950": _TRADITIONAL,
    "cp949": _KOREAN,
}
"""East Asian encodings and the frequent characters of what is written in them, in names, places and
the words of sales."""
_MIN_FREQUENT = 0.3
"""Of the characters beyond ASCII: of a text that is read in another encoding about a tenth are
frequent ones by chance."""
_MIN_FREQUENT_LEAD = 1.4
"""How many times as many frequent characters as the second best encoding."""
_MIN_DISTINCT = 4
"""Different frequent characters; fewer, and no others, are reason enough not to take another
encoding either."""
_MIN_HANGUL = 8
"""As many different characters that are Hangul, and no other, are not Chinese."""
_HEBREW_ENDINGS = frozenset("ךםןףץ")
_HEBREW_NEVER_LAST = frozenset("כמנצ")
_HEBREW_WORD = re.compile(rb"[\xe0-\xfa]{2,}")
_MIN_HEBREW_WORDS = 3
_EXAMPLES = "windows-1251, windows-1255, shift_jis, gb18030, big5 or euc-kr"
_ALPHABETS = {
    "western": (
        "äöüß",
        "àâæçéèêëîïôœùûüÿ",
        "áéíñóúü",
        "ãâáàçéêíóôõú",
        "àéèìòóù",
        "àçèéíïòóúü",
        "áäéèëïíöóüú",
        "åäöé",
        "æøåéü",
        "áðéíóúýþæö",
    ),
    "central": (
        "ąćęłńóśźż",
        "áčďéěíňóřšťúůýž",
        "áäčďéíĺľňóôŕšťúýž",
        "áéíóöőúüű",
        "ăâîşţșț",
        "čćđšž",
    ),
    "turkish": ("çğıöşüâîİ",),
    "baltic": ("ąčęėįšųūž", "āčēģīķļņšūž", "äöõüšž"),
}
"""The letters beside a to z of the languages that a group of code pages is for."""
_LATIN = {
    "cp1252": "western",
    "cp1254": "turkish",
    "cp1257": "baltic",
    "cp1250": "central",
    "iso8859_2": "central",
    "iso8859_15": "western",
    "mac_roman": "western",
    "cp850": "western",
}
"""Code pages and their languages; of equally good ones the first counts."""
_MARKS = frozenset("€£§°·«»„“”‘’‚–—…®©™¡¿ªº²³½\xa0")
"""Characters that stand beside letters, seldom within a word."""
_NAMES = {
    "cp1250": "Windows-1250 (Central European)",
    "cp1251": "Windows-1251 (Cyrillic)",
    "cp1252": "Windows-1252 (Western European)",
    "cp1253": "Windows-1253 (Greek)",
    "cp1254": "Windows-1254 (Turkish)",
    "cp1255": "Windows-1255 (Hebrew)",
    "cp1256": "Windows-1256 (Arabic)",
    "cp1257": "Windows-1257 (Baltic)",
    "iso8859_6": "ISO 8859-6 (Arabic)",
    "tis_620": "TIS-620 (Thai)",
    "cp932": "Shift-JIS (Japanese)",
    "euc_jp": "EUC-JP (Japanese)",
    "gb18030": "GB18030 (Chinese)",
    "cp950": "Big5 (Chinese)",
    "cp949": "EUC-KR (Korean)",
    "mac_roman": "Mac Roman",
}
_MIN_LEAD = 0.02
"""By how much more of the letters another code page must fit than Windows-1252."""
_MIXED_LANGUAGES = 0.96
"""What the letters of several Western languages together weigh against those of one."""
_MIN_FIT = {"cp1252": 0.75, "other": 0.95}
"""Of the letters; less means that none of the Latin code pages is right. Western exports have names
from everywhere."""
_OTHER_SCRIPT_SHARE = 0.6
"""Words of other scripts consist of letters beyond ASCII, Latin words have few of them."""
_MIN_OTHER_SCRIPT_BYTES = 6
_MAX_DAMAGED_SHARE = 0.01
_DAMAGED = "\ufffd"
_WORD = re.compile(rb"[A-Za-z\x80-\xff]*[\x80-\xff][A-Za-z\x80-\xff]*")


def unpacked(raw: bytes, path: Path) -> bytes:
    """The content of a gzip or zstd file; other bytes as they are. DataError if it is damaged."""
    try:
        if raw.startswith(b"\x1f\x8b"):
            return gzip.decompress(raw)
        if raw.startswith(b"\x28\xb5\x2f\xfd"):
            return bytes(pa.input_stream(pa.BufferReader(raw), compression="zstd").read())
    except (OSError, EOFError, zlib.error) as error:
        kind = "gzip" if raw.startswith(b"\x1f") else "zstd"
        raise DataError(
            f"{path}: the {kind} file is damaged or truncated ({error}); export it again."
        ) from error
    return raw


def as_utf8(raw: bytes, path: Path, given: str | None, notes: list[str]) -> bytes:
    """The text as UTF-8 without a byte order mark, from the `given` encoding or the recognized
    one; a guess is added to the notes.

    Raises DataError if the bytes are no text, or not in the given encoding.
    """
    if given is not None:
        return _from_given(raw, path, given)
    if raw.startswith(codecs.BOM_UTF8):
        return raw[len(codecs.BOM_UTF8) :]
    encoding = _wide_encoding(raw)
    if encoding is None:
        _refuse_binary(raw[:_SAMPLE_BYTES], path)
        try:
            codecs.lookup("utf-8").decode(raw)
            return raw
        except UnicodeDecodeError:
            damaged = _mended(raw, path, notes)
        if damaged is not None:
            return damaged
        encoding = _recognized(raw)
        if encoding is None:
            raise DataError(
                f"{path}: the encoding of the text is not recognized; name it with --encoding, such"
                f" as {_EXAMPLES}, or save the file as UTF-8."
            )
        notes.append(
            f"{path.name} is not UTF-8; it was read as {_NAMES.get(encoding, encoding)}. If"
            " letters are wrong, name its encoding with --encoding."
        )
    try:
        return raw.decode(encoding).encode("utf-8")
    except UnicodeError as error:
        raise DataError(
            f"{path}: the encoding of the text is not recognized; name it with --encoding, or save"
            " the file as UTF-8."
        ) from error


def _from_given(raw: bytes, path: Path, encoding: str) -> bytes:
    try:
        return raw.decode(encoding).removeprefix("\ufeff").encode("utf-8")
    except UnicodeError as error:
        raise DataError(
            f"{path}: the text is not in the encoding {encoding}; leave out --encoding to have it"
            " recognized, or name another."
        ) from error


def _refuse_binary(sample: bytes, path: Path) -> None:
    control_characters = bytes({*range(9), *range(14, 27), 28, 29, 30, 31, 127})
    control_count = len(sample) - len(sample.translate(None, control_characters))
    if b"\0" in sample or control_count > len(sample) / 100:
        raise DataError(
            f"{path}: this is a binary file, not a table; expected CSV, JSON, Excel, Parquet, Arrow"
            " or a database URL."
        )


def _wide_encoding(raw: bytes) -> str | None:
    """UTF-16 or UTF-32 by its byte order mark, or UTF-16 without one by the positions of its
    NULs."""
    for byte_order_mark, encoding in (
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if raw.startswith(byte_order_mark):
            return encoding
    sample = raw[:2000]
    pairs = len(sample) // 2
    for encoding, nuls, others in (
        ("utf-16-le", sample[1::2], sample[::2]),
        ("utf-16-be", sample[::2], sample[1::2]),
    ):
        if pairs and nuls.count(0) > 0.7 * pairs and others.count(0) == 0:
            return encoding
    return None


def _mended(raw: bytes, path: Path, notes: list[str]) -> bytes | None:
    """UTF-8 with a few damaged characters, which are replaced; None if it is something else."""
    sample = _beyond_ascii(raw).decode("utf-8", errors="replace")
    if _damaged_share(sample.rstrip(_DAMAGED)) > _MAX_DAMAGED_SHARE:
        return None
    text = raw.decode("utf-8", errors="replace")
    if _damaged_share(text) > _MAX_DAMAGED_SHARE:
        return None
    notes.append(
        f"{path.name}: {counted(text.count(_DAMAGED), 'damaged character')} replaced by {_DAMAGED}."
    )
    return text.encode("utf-8")


def _damaged_share(text: str) -> float:
    """The share of the characters beyond ASCII that could not be read."""
    return text.count(_DAMAGED) / max(len(re.findall(r"[^\x00-\x7f]", text)), 1)


def _beyond_ascii(raw: bytes) -> bytes:
    """A sample from where the first byte beyond ASCII stands."""
    start = re.search(rb"[\x80-\xff]", raw)
    first = 0 if start is None else max(start.start() - 100, 0)
    return raw[first : first + _SAMPLE_BYTES]


def _recognized(raw: bytes) -> str | None:
    """The encoding by its letters; None where it is that of another script than the Latin one, and
    nobody can tell which."""
    sample = _beyond_ascii(raw)
    words = b" ".join(dict.fromkeys(_WORD.findall(sample)[:_MAX_WORDS]))
    western = _decodes(words, "cp1252") and _fit(words.decode("cp1252"), _ALPHABETS["western"])
    if western < _MIN_FIT["other"]:
        shares = _frequent_shares(raw, sample)
        if shares and shares[0][0] >= _MIN_FREQUENT:
            second = shares[1][0] if len(shares) > 1 else 0.0
            is_certain = shares[0][0] >= _MIN_FREQUENT_LEAD * second and shares[0][2]
            return shares[0][1] if is_certain else None
    return "cp1255" if _is_hebrew(sample) and _decodes(raw, "cp1255") else _code_page(raw)


def _frequent_shares(raw: bytes, sample: bytes) -> list[tuple[float, str, bool]]:
    """The share of frequent characters in each East Asian encoding that the text can be in, and
    whether there are enough of them, the highest first. Korean is hardly ever written with Chinese
    characters."""
    shares = {}
    different = {}
    for encoding, frequent in _CHARACTERS.items():
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(sample)
        except UnicodeDecodeError:
            continue
        counts = Counter(
            character for character in text if character > "\x7f" and not "　" <= character <= "〿"
        )
        different[encoding] = len(frequent & counts.keys())
        is_all = different[encoding] == len(counts) > 1
        if (different[encoding] >= _MIN_DISTINCT or is_all) and _decodes(raw, encoding):
            frequent_ones = sum(counts[character] for character in frequent & counts.keys())
            shares[encoding] = frequent_ones / counts.total()
            hangul = sum("가" <= character <= "힣" for character in counts)
            if encoding == "cp949":
                shares[encoding] *= (hangul / len(counts)) ** 3
                if hangul == len(counts) >= _MIN_HANGUL:
                    shares["gb18030"] = shares.get("gb18030", 0.0) / 2
    found_in = [
        (share, encoding, different[encoding] >= _MIN_DISTINCT)
        for encoding, share in shares.items()
    ]
    return sorted(found_in, reverse=True)


def _is_hebrew(sample: bytes) -> bool:
    """Whether the words are of Hebrew letters only, and such as end words end them. The same bytes
    are small Cyrillic letters that stand everywhere."""
    words = set(_HEBREW_WORD.findall(sample))
    letters = len(b"".join(_WORD.findall(sample)))
    if len(words) < _MIN_HEBREW_WORDS or sum(map(len, _HEBREW_WORD.findall(sample))) < letters / 2:
        return False
    texts = [word.decode("cp1255", errors="replace") for word in words]
    wrong = sum(
        word[-1] in _HEBREW_NEVER_LAST or not _HEBREW_ENDINGS.isdisjoint(word[:-1])
        for word in texts
    )
    return wrong <= len(texts) / 20


def _code_page(raw: bytes) -> str | None:
    """The encoding whose letters the words beyond ASCII fit best; Windows-1252 without evidence,
    None for words of another script of which charset-normalizer does not know the encoding."""
    words = list(dict.fromkeys(_WORD.findall(_beyond_ascii(raw))))[:_MAX_WORDS]
    joined = b" ".join(words)
    letters = len(joined.replace(b" ", b""))
    beyond_ascii = len(re.findall(rb"[\x80-\xff]", joined))
    fits = {
        page: _fit(joined.decode(page, errors="replace"), _ALPHABETS[languages])
        for page, languages in _LATIN.items()
        if _decodes(joined, page)
    }
    best_page = max(fits, key=lambda page: fits[page], default="cp1252")
    best_fit = fits.get(best_page, 0.0)
    least = _MIN_FIT["cp1252" if best_page == "cp1252" else "other"]
    seems_other_script = best_fit < least or beyond_ascii > _OTHER_SCRIPT_SHARE * letters
    if seems_other_script and beyond_ascii >= _MIN_OTHER_SCRIPT_BYTES:
        best = from_bytes(joined, cp_isolation=list(_OTHER_SCRIPTS)).best()
        if best is not None and _decodes(raw, best.encoding):
            return best.encoding
        if best_fit < _MIN_FIT["cp1252"] and beyond_ascii > _OTHER_SCRIPT_SHARE * letters:
            return None
    is_better = best_fit > fits.get("cp1252", 0.0) + _MIN_LEAD
    return best_page if is_better and _decodes(raw, best_page) else "cp1252"


def _decodes(raw: bytes, encoding: str) -> bool:
    try:
        raw.decode(encoding)
        return True
    except UnicodeError:
        return False


def _fit(words: str, alphabets: Iterable[str]) -> float:
    """The share of the characters beyond ASCII that are letters of one of the languages, or of a
    few of them together."""
    counts: Counter[str] = Counter()
    marks = 0
    padded = f" {words} "
    for before, character, after in zip(padded, padded[1:], padded[2:], strict=False):
        if character.isascii():
            continue
        within_word = before.isalpha() and after.isalpha()
        if character in _MARKS and (not within_word or character == "’"):
            marks += 1
        else:
            counts[character.lower() if len(character.lower()) == 1 else character] += 1
    size = max(counts.total(), 1)
    shares = [sum(counts[letter] for letter in letters) / size for letters in alphabets]
    together = sum(counts[letter] for letter in set("".join(alphabets)))
    return max(*shares, 0.0, _MIXED_LANGUAGES * together / size) if counts else float(marks > 0)
