"""Pages: our own texts may mark code, and words that a person typed stay words."""

from winnable.core.documents import Bullets, Page, Prose, Table, Text

OURS = Prose("Ask `POST /score` for a *score* of <= 1.")
TYPED = "a `typed` *word* <b>"
PAGE = Page(
    "Title", (Text(OURS), Text(TYPED), Bullets((OURS, TYPED)), Table(("A", "B"), ((OURS, TYPED),)))
)


def test_backticks_of_ours_are_code_in_html() -> None:
    html = PAGE.html()
    assert html.count("<code>POST /score</code> for a *score* of &lt;= 1.") == 3
    assert html.count("a `typed` *word* &lt;b&gt;") == 3


def test_backticks_of_ours_are_code_in_markdown() -> None:
    markdown = PAGE.markdown()
    assert markdown.count(r"Ask `POST /score` for a \*score\* of \<= 1.") == 3
    assert markdown.count(r"a \`typed\` \*word\* \<b\>") == 3
