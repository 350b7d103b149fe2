"""The pages for sales over HTTP: what they say, who may see them, and what forged, stolen and
hostile requests get."""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from html import escape, unescape
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.service.conftest import serving, until
from winnable.data.feedback.store.records import Label, ScoreRecord
from winnable.data.feedback.store.store import FeedbackStore
from winnable.service.http.keys import add_key, withdraw_key
from winnable.service.web.sessions import COOKIE

BROWSER = {"Accept": "text/html,application/xhtml+xml"}
Added = Callable[[], list[tuple[str, str, str | None]]]
NOW = datetime(2026, 6, 30, tzinfo=UTC)
SCRIPT = "<script>alert(1)</script>"


class Person:
    """Somebody who is signed in, without a browser."""

    def __init__(self, url: str, by: str = "Kim", key: str = "") -> None:
        self.client = httpx.Client(
            base_url=url, headers={**BROWSER, "Connection": "close"}, timeout=60
        )
        self.entered = self.client.post("/inbox/sign-in", data={"by": by, "key": key, "next": "/"})

    def page(self, path: str = "/") -> str:
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    def form(self, path: str = "/") -> dict[str, str]:
        """The hidden fields of the first lead's form."""
        page = self.page(path)
        form = page[page.index('class="act') :].split("</form>")[0]
        return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))

    def answers(self, **button: str) -> httpx.Response:
        return self.client.post("/inbox/label", data={**self.form(), **button})


@pytest.fixture(scope="module")
def shared(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A filled store that the tests of this file work on together: each looks only at the labels
    that it adds."""
    return Path(shutil.copytree(filled, tmp_path_factory.mktemp("shared") / "store"))


@pytest.fixture(scope="module")
def inbox(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service on that store, without keys."""
    with serving(shared, tmp_path_factory.mktemp("inbox") / "log") as service:
        yield service.url


@pytest.fixture
def added(shared: Path) -> Added:
    """What the test added: label, by whom, reason."""
    before = len(labels(shared))
    return lambda: [(each.label, each.by, each.reason) for each in labels(shared)[before:]]


def labels(store: Path) -> list[Label]:
    feedback = FeedbackStore.open(store)
    try:
        return [each for each in feedback.labels() if each.origin == "inbox"]
    finally:
        feedback.close()


def remember(store: Path, score: ScoreRecord) -> None:
    """One more lead in the store."""
    feedback = FeedbackStore.open(store)
    feedback.remember([score])
    feedback.close()


def best(store: Path, **told: object) -> ScoreRecord:
    """A score like those of the store that stands at the top of the list."""
    feedback = FeedbackStore.open(store)
    like = next(score for score in feedback.scores())
    feedback.close()
    return replace(
        like, score_id="new", lead_id="new", probability=0.99, high=1.0, decision="pass", **told
    )  # type: ignore[arg-type]


def test_a_day_of_answers(inbox: str, added: Added) -> None:
    kim = Person(inbox)
    form = kim.form()
    answered = kim.client.post("/inbox/label", data={**form, "label": "accepted"})
    assert answered.status_code == 303
    page = kim.page(answered.headers["location"].partition("#")[0])
    assert f"Accepted: {form['name']}" in page
    assert f'value="{form["lead_id"]}"' not in page.split('class="toast')[0]  # it left the list
    kept = re.findall(r'name="label_id" value="([^"]*)"', page)[-1]
    undone = {"token": form["token"], "lead_id": form["lead_id"], "label_id": kept, "back": "/"}
    assert kim.client.post("/inbox/undo", data=undone).status_code == 303
    assert f'value="{form["lead_id"]}"' in kim.page()
    reason = re.findall(r'name="rejected" value="([^"]*)"', kim.page())[1]
    assert kim.answers(rejected=reason).status_code == 303
    assert kim.answers(label="won").status_code == 303
    assert added() == [
        ("accepted", "Kim", None),
        ("withdrawn", "Kim", None),
        ("rejected", "Kim", reason),
        ("won", "Kim", None),
    ]


def test_a_form_that_is_sent_twice_counts_once(inbox: str, added: Added) -> None:
    kim = Person(inbox)
    form = kim.form()
    for _ in range(2):
        assert (
            kim.client.post("/inbox/label", data={**form, "label": "accepted"}).status_code == 303
        )
    assert len(added()) == 1


def test_lists_filters_and_pages(inbox: str) -> None:
    kim = Person(inbox)
    every = kim.page("/?show=all")
    assert int(re.findall(r"<p>1 to (\d+) of", every)[0]) == 25
    assert 'rel="next"' in every
    percentages = [int(each) for each in re.findall(r'<p class="number">(\d+)%</p>', every)]
    assert len(percentages) == 25
    assert percentages == sorted(percentages, reverse=True)
    owned = kim.page("/?show=all&owner=Ravi+Menon")
    assert "Owner: Ravi Menon" in owned
    assert "Owner: Kim Osei" not in owned
    lead_id = kim.form("/?show=all&page=2")["lead_id"]
    assert kim.page(f"/?show=all&q={lead_id}").count("data-lead") == 1
    assert "No matching leads" in kim.page("/?q=nobody+at+all")
    for nonsense in (
        "page=-1",
        "page=99999999",
        "show=nothing",
        "page=%00",
        "q=" + "x" * 5000,
        "owner='%20OR%201=1--",
        "q=%ff",
    ):
        assert kim.client.get(f"/?{nonsense}").status_code == 200


def test_sql_in_every_field_is_only_words(inbox: str, added: Added) -> None:
    attack = """x'); DROP TABLE leads; -- " OR 1=1"""
    kim = Person(inbox, by=attack)
    before = kim.page("/?show=all").split("data-lead", 1)[1]
    for field in ("q", "owner", "source", "page", "show"):
        assert kim.client.get("/", params={"show": "all", field: attack}).status_code == 200
    assert kim.client.get(f"/inbox/leads/{quote(attack)}").status_code == 404
    assert kim.answers(label=attack).status_code == 422
    for field in ("lead_id", "label_id"):
        assert (
            kim.client.post(
                "/inbox/undo", data={**kim.form(), "label_id": "x", field: attack}
            ).status_code
            == 403
        )
    told = dict.fromkeys(("score_id", "once", "name", "then", "back", "note"), attack)
    lead_id = kim.form("/?show=all")["lead_id"]
    assert (
        kim.client.post(
            "/inbox/label", data={**kim.form("/?show=all"), **told, "label": "accepted"}
        ).status_code
        == 303
    )
    assert added() == [("accepted", attack, None)]
    assert attack in unescape(kim.page(f"/inbox/leads/{lead_id}"))
    assert kim.page("/?show=all").split("data-lead", 1)[1].count("data-lead") == before.count(
        "data-lead"
    )


def test_a_lead_has_a_page_of_its_own(inbox: str) -> None:
    kim = Person(inbox)
    lead_id = kim.form()["lead_id"]
    kim.client.post(
        "/inbox/label", data={**kim.form(), "label": "accepted", "note": "rings on Friday"}
    )
    page = kim.page(f"/inbox/leads/{lead_id}")
    assert "rings on Friday" in page
    assert page.count('class="dot"') >= 2  # its scores of several weeks
    ravi = Person(inbox, "Ravi")
    ravi.client.post(
        "/inbox/label", data={**ravi.form(f"/inbox/leads/{lead_id}"), "rejected": "No budget"}
    )
    assert "conflicting feedback" in ravi.page(f"/inbox/leads/{lead_id}")


def test_a_lead_in_the_list_says_each_thing_once(inbox: str) -> None:
    for path in ("/", "/?show=all&page=3"):
        for card in Person(inbox).page(path).split("data-lead>")[1:]:
            text = unescape(re.sub(r"<[^>]*>", " ", card.split("<form")[0]))
            assert "leads like this" not in text
            number = re.findall(r'<p class="number">([^<]*)</p>', unescape(card))[0]
            assert re.findall(r"[<\d]+%", text)[0] == number
            # The probability, its interval with the level, and that of a week ago.
            assert len(re.findall(r"\d+%", text)) <= 4


def test_does_it_work(inbox: str) -> None:
    page = Person(inbox).page("/inbox/results")
    for says in (
        "Results by grade",
        "90% CI",
        "Month by month",
        "Model vs. scorecard",
        "AUC",
        "Predicted/observed wins",
        "Randomly selected leads",
    ):
        assert says in page


def test_hostile_words_stay_words(worked: Path, tmp_path: Path) -> None:
    lead = best(
        worked,
        name=SCRIPT,
        owner=SCRIPT,
        source=SCRIPT,
        because=SCRIPT,
        reasons=({"says": SCRIPT, "log_odds": 1.0},),
        values={SCRIPT: SCRIPT, "Company": SCRIPT},
        activities=({"kind": SCRIPT, "at": "2026-06-01T00:00:00Z"},),
    )
    remember(worked, lead)
    with serving(worked, tmp_path / "log") as live:
        kim = Person(live.url, by=SCRIPT)
        kim.client.post("/inbox/label", data={**kim.form(), "label": "accepted", "note": SCRIPT})
        hostile = quote(SCRIPT)
        for path in (
            "/",
            "/?show=accepted",
            f"/inbox/leads/{lead.lead_id}",
            f"/?q={hostile}&owner={hostile}",
            "/inbox/results",
        ):
            page = kim.page(path)
            assert SCRIPT not in page
            assert page.count("<script") == 1  # the one of our own
        assert escape(SCRIPT) in kim.page("/?show=accepted")
        assert SCRIPT not in kim.client.get(f"/inbox/leads/{hostile}").text


@pytest.mark.parametrize(
    "change",
    [
        {"token": ""},
        {"token": "x" * 43},
        {"token": "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")},
    ],
)
def test_a_form_without_the_right_token_is_refused(
    inbox: str, added: Added, change: dict[str, str]
) -> None:
    kim = Person(inbox)
    forged = {**kim.form(), **change, "label": "won"}
    assert kim.client.post("/inbox/label", data=forged).status_code == 403
    assert added() == []


def test_the_token_of_another_session_is_refused(inbox: str, added: Added) -> None:
    kim, ravi = Person(inbox), Person(inbox, "Ravi")
    assert kim.client.post("/inbox/label", data={**ravi.form(), "label": "won"}).status_code == 403
    assert added() == []


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ],
)
def test_a_form_from_elsewhere_is_refused(
    inbox: str, added: Added, header: str, value: str
) -> None:
    kim = Person(inbox)
    for path in ("/inbox/label", "/inbox/undo", "/inbox/sign-out"):
        assert (
            kim.client.post(
                path, data={**kim.form(), "label": "won"}, headers={header: value}
            ).status_code
            == 403
        )
    assert (
        kim.client.post("/inbox/sign-in", data={"by": "Eve"}, headers={header: value}).status_code
        == 403
    )
    assert added() == []


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b'{"label": "won"}', "application/json", 415),
        (b"a=1", "multipart/form-data; boundary=x", 415),
        (b"label=" + b"x" * 30_000, "application/x-www-form-urlencoded", 413),
        (b"&".join(b"a%d=1" % i for i in range(100)), "application/x-www-form-urlencoded", 400),
        (b"label=%ff", "application/x-www-form-urlencoded", 400),
        (b"label=\xff", "application/x-www-form-urlencoded", 400),
        (b"", "application/x-www-form-urlencoded", 403),
    ],
)
def test_what_is_no_form_is_refused(inbox: str, content: bytes, kind: str, status: int) -> None:
    answer = Person(inbox).client.post(
        "/inbox/label", content=content, headers={"Content-Type": kind}
    )
    assert answer.status_code == status


def test_unknown_answers_and_reasons_are_refused(inbox: str, added: Added) -> None:
    kim = Person(inbox)
    assert kim.answers(label="withdrawn").status_code == 422
    assert kim.answers(rejected="I do not feel like it").status_code == 422
    assert added() == []


def test_a_definition_without_reasons_lets_sales_reject_all_the_same(tmp_path: Path) -> None:
    agreed = tmp_path / "definition.toml"
    none = "[feedback]\nreasons = []\nunacceptable = []\njunk = []\n"
    agreed.write_text(f'[outcome]\nwon = ["Won"]\n[columns]\nid = "Id"\nstatus = "Status"\n{none}')
    store = tmp_path / "store"
    store.mkdir()
    remember(
        store,
        ScoreRecord(
            "s",
            "L",
            NOW,
            NOW,
            0.5,
            0.4,
            0.6,
            None,
            "hot",
            "pass",
            "Nothing speaks against it.",
            "rules",
            "rules",
        ),
    )
    with serving(store, tmp_path / "log", "--definition", str(agreed)) as live:
        kim = Person(live.url)
        assert "<details" not in kim.page()
        assert kim.answers(label="rejected").status_code == 303
    assert [label.label for label in labels(store)] == ["rejected"]


def test_only_who_answered_takes_it_back(inbox: str, shared: Path, added: Added) -> None:
    kim, ravi = Person(inbox), Person(inbox, "Ravi")
    form = kim.form()
    kim.client.post("/inbox/label", data={**form, "label": "accepted"})
    kept = labels(shared)[-1]
    assert kept.score_id == form["score_id"]
    undone = {"token": ravi.form()["token"], "lead_id": form["lead_id"], "label_id": kept.label_id}
    assert ravi.client.post("/inbox/undo", data=undone).status_code == 403
    assert len(added()) == 1
    page = f"/inbox/leads/{quote(form['lead_id'], safe='')}"
    assert 'class="undo"' in kim.page(page).split('class="toast')[0]
    assert "by Kim" in ravi.page(page)
    assert 'class="undo"' not in ravi.page(page)


def test_answers_never_lead_elsewhere(inbox: str) -> None:
    kim = Person(inbox)
    elsewhere = (
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/inbox/../\n",
        "javascript:alert(1)",
        "/inbox/ x",
    )
    for back in elsewhere:
        answer = kim.client.post(
            "/inbox/label",
            data={**kim.form(), "label": "accepted", "back": back, "then": "lead-<b>"},
        )
        assert answer.headers["location"] == "/"
        signed = kim.client.post("/inbox/sign-in", data={"by": "Kim", "next": back})
        assert signed.headers["location"] == "/"


def test_a_session_needs_a_key_that_may_answer_and_ends_with_it(
    worked: Path, tmp_path: Path
) -> None:
    with serving(worked, tmp_path / "log") as live:
        early = Person(live.url)
        early.page()
        _, scoring = add_key(worked, "score")
        key, secret = add_key(worked, "feedback", "sales")
        until(
            lambda: early.client.get("/").status_code != 200
        )  # without a key a session lasts as long as there are none
        without = httpx.get(f"{live.url}/", headers=BROWSER)
        assert (without.status_code, without.headers["location"]) == (303, "/inbox/sign-in")
        assert (
            httpx.get(f"{live.url}/", headers={"Authorization": f"Bearer {secret}"}).status_code
            == 303
        )
        for wrong in ("", "winnable_nonsense", scoring, key.sha256):
            refused = Person(live.url, key=wrong)
            assert refused.entered.status_code == 403
            assert COOKIE not in refused.client.cookies
        assert httpx.post(f"{live.url}/inbox/label", data={"label": "won"}).status_code == 403

        kim = Person(live.url, key=secret)
        told = kim.entered.headers["set-cookie"]
        assert "HttpOnly" in told
        assert "samesite=lax" in told.lower()
        assert secret not in told
        behind_tls = {"by": "Kim", "key": secret}
        origin = {"Origin": live.url.replace("http:", "https:")}
        assert (
            "Secure"
            in httpx.post(f"{live.url}/inbox/sign-in", data=behind_tls, headers=origin).headers[
                "set-cookie"
            ]
        )

        stolen = dict(kim.client.cookies)
        assert httpx.get(f"{live.url}/", cookies=stolen, headers=BROWSER).status_code == 200
        form = kim.form()
        withdraw_key(worked, key.name)
        add_key(worked, "feedback", "sales, the new one")
        with httpx.Client(base_url=live.url, cookies=stolen) as thief:
            until(lambda: thief.get("/").status_code != 200)
        assert (
            httpx.post(
                f"{live.url}/inbox/label", cookies=stolen, data={**form, "label": "won"}
            ).status_code
            == 403
        )
    assert labels(worked) == []


@pytest.mark.parametrize(
    "cookie", ["", ".", "x.y", "e30=.x", "W10=.x", "bnVsbA==.x", "é", "[" * 3000]
)
def test_a_made_up_session_is_none(inbox: str, cookie: str) -> None:
    headers = {"Cookie": f"{COOKIE}={cookie}".encode("latin-1")}
    assert httpx.get(f"{inbox}/", headers=headers).status_code == 303


def test_pages_load_nothing_from_elsewhere_and_say_so(inbox: str) -> None:
    kim = Person(inbox)
    answer = kim.client.get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers.get_list("content-security-policy") == [policy]
    assert answer.headers["cache-control"] == "no-store"
    loaded = re.findall(r'(?:src|href)="([^"]*)"', answer.text)
    assert all(each.startswith(("/", "#", "data:")) for each in loaded)
    for asset in (each for each in loaded if each.startswith("/inbox/inbox.")):
        assert "immutable" in kim.client.get(asset).headers["cache-control"]
    assert kim.client.get("/inbox/inbox.html").status_code == 404


def test_errors_are_pages_for_browsers_and_problems_for_programs(inbox: str) -> None:
    kim = Person(inbox)
    for path in ("/nothing", "/inbox/nothing", "/inbox/leads/nobody"):
        page = kim.client.get(path)
        assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert "Page not found" in page.text
        program = kim.client.get(path, headers={"Accept": "*/*"})
        assert (program.status_code, program.headers["content-type"]) == (
            404,
            "application/problem+json",
        )
    assert kim.client.get("/inbox/label").status_code == 405


def test_a_store_that_cannot_be_read_is_told_without_its_place(
    worked: Path, tmp_path: Path
) -> None:
    (worked / "labels.db").write_bytes(b"no database at all" * 1000)
    for beside in ("labels.db-wal", "labels.db-shm"):
        (worked / beside).unlink(missing_ok=True)
    with serving(worked, tmp_path / "log") as live:
        answer = Person(live.url).entered
    assert answer.status_code == 503
    assert "not saved" in answer.text
    assert str(worked) not in answer.text


def test_the_description_of_the_interface_does_not_speak_of_pages(inbox: str) -> None:
    paths = httpx.get(f"{inbox}/openapi.json").json()["paths"]
    assert not [path for path in paths if path == "/" or path.startswith("/inbox")]
    assert httpx.get(f"{inbox}/docs").status_code == 200
