"""The feedback store on both databases: nothing is lost, nothing is doubled, nothing is
overwritten."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sql

from tests.data.feedback.scores import NOW, given
from winnable.data.feedback.store.audit import Actor
from winnable.data.feedback.store.leads import LeadFilter
from winnable.data.feedback.store.records import Label, packed
from winnable.data.feedback.store.store import FeedbackStore
from winnable.errors import DataError, LabelError, StoreError


def test_what_was_kept_is_read_back_as_it_was(feedback: FeedbackStore) -> None:
    scores = [given("L-1"), given("L-1", 0.5, NOW + timedelta(days=9)), given("L-2", 0.9)]
    feedback.remember(scores)
    feedback.remember(scores)
    label = feedback.add(
        Label("L-1", "rejected", " Kim ", NOW, "No budget", "asked twice", "L-1-0630")
    )
    assert (label.by, label.at, label.label_id != "") == ("Kim", NOW, True)
    story = feedback.lead("L-1")
    assert story is not None
    assert (story.scores, story.labels) == (tuple(scores[:2]), (label,))
    assert (story.lead.state, story.lead.score, story.lead.week_ago, story.lead.label) == (
        "rejected",
        scores[1],
        0.3,
        label,
    )
    assert feedback.lead("L-3") is None
    assert feedback.already_scored("3", NOW) == {"L-1", "L-2"}


def test_a_late_old_score_does_not_hide_a_newer_one(feedback: FeedbackStore) -> None:
    feedback.remember([given("L-1", 0.5, NOW)])
    feedback.remember([given("L-1", 0.1, NOW - timedelta(days=30))])
    assert [row.score and row.score.probability for row in feedback.leads().leads] == [0.5]


def test_the_leads_of_an_account_are_those_whose_latest_score_names_it(
    feedback: FeedbackStore,
) -> None:
    later = NOW + timedelta(days=9)
    feedback.remember([given(f"L-{i}", i / 10, account="acme") for i in range(1, 6)])
    feedback.remember([given("L-6", account="other"), given("L-7")])
    feedback.remember([given("L-1", 0.9, later, account="other")])
    feedback.add(Label("L-2", "rejected", "Kim"))
    feedback.add(Label("L-3", "won", "Kim", NOW))
    feedback.add(Label("L-5", "lost", "Kim", NOW - timedelta(days=1)))
    wrong = feedback.add(Label("L-4", "won", "Kim"))
    feedback.add(Label("L-4", "withdrawn", "Kim", replaces=wrong.label_id))
    acme = feedback.account("acme")
    assert acme is not None
    assert [row.lead_id for row in acme.leads] == ["L-4", "L-5", "L-3", "L-2"]
    assert acme.open_probabilities == (0.4,)
    assert [(row.lead_id, label.label) for row, label in acme.outcomes] == [
        ("L-3", "won"),
        ("L-5", "lost"),
    ]
    assert (acme.total, acme.won, acme.lost) == (4, 1, 1)
    other = feedback.account("other")
    assert other is not None
    assert other.open_probabilities == (0.9, 0.3)
    assert feedback.account("nobody") is None
    with feedback.reading() as connection:
        if connection.dialect.name == "sqlite":
            plan = connection.exec_driver_sql(
                "EXPLAIN QUERY PLAN SELECT * FROM leads WHERE account = 'acme'"
            )
            assert "leads_of_account" in str(plan.all())


def test_the_same_key_gives_the_same_label_and_another_content_is_a_conflict(
    feedback: FeedbackStore,
) -> None:
    first = feedback.add(Label("L-1", "accepted", "Kim"), "key 1")
    assert feedback.add(Label("L-1", "accepted", "Kim"), "key 1") == first
    with pytest.raises(LabelError, match="key"):
        feedback.add(Label("L-1", "rejected", "Kim"), "key 1")
    assert feedback.labels() == [first]


def test_a_correction_is_a_new_row_and_the_old_one_stays(feedback: FeedbackStore) -> None:
    wrong = feedback.add(Label("L-1", "rejected", "Kim"))
    right = feedback.add(Label("L-1", "accepted", "Kim", replaces=wrong.label_id))
    assert feedback.labels("L-1") == [wrong, right]
    assert [row.state for row in feedback.leads().leads] == ["accepted"]
    with pytest.raises(LabelError, match="replaced already"):
        feedback.add(Label("L-1", "won", "Kim", replaces=wrong.label_id))
    undone = feedback.add(Label("L-1", "withdrawn", "Kim"))
    assert undone.replaces == right.label_id
    assert [row.state for row in feedback.leads().leads] == ["new"]
    with pytest.raises(LabelError, match="has no label on this lead to withdraw"):
        feedback.add(Label("L-1", "withdrawn", "Kim"))


def test_labels_that_contradict_the_store_are_refused(feedback: FeedbackStore) -> None:
    feedback.remember([given("L-1")])
    other = feedback.add(Label("L-2", "accepted", "Kim"))
    with pytest.raises(LabelError, match="score"):
        feedback.add(Label("L-2", "won", "Kim", score_id="L-1-0630"))
    with pytest.raises(LabelError, match="another lead"):
        feedback.add(Label("L-1", "won", "Kim", replaces=other.label_id))
    for label, says in (
        (Label("", "won", "Kim"), "lead_id"),
        (Label("L-1", "won", " "), "by"),
        (Label("L-1", "perhaps", "Kim"), "label"),  # type: ignore[arg-type]
        (Label("L-1", "won", "Kim", datetime(2026, 1, 1)), "time zone"),
        (Label("L-1", "won", "Kim", datetime.now(UTC) + timedelta(days=3)), "future"),
        (Label("L-1", "won", "Kim", note="x" * 2001), "note"),
    ):
        with pytest.raises(DataError, match=says):
            feedback.add(label)
    assert feedback.labels() == [other]


def test_an_outcome_counts_before_an_opinion_and_conflicts_are_listed(
    feedback: FeedbackStore,
) -> None:
    feedback.add(Label("L-1", "won", "Kim", NOW))
    feedback.add(Label("L-1", "rejected", "Lee", NOW + timedelta(days=1)))
    feedback.add(Label("L-1", "accepted", "Kim", NOW + timedelta(days=2)))
    feedback.add(Label("L-2", "rejected", "Kim", NOW))
    feedback.add(
        Label("L-2", "accepted", "Kim", NOW + timedelta(days=1))
    )  # changed their mind: no conflict
    feedback.add(Label("L-3", "won", "Kim", NOW))
    feedback.add(Label("L-3", "lost", "Lee", NOW))
    assert {row.lead_id: row.state for row in feedback.leads(LeadFilter(state="all")).leads} == {
        "L-1": "won",
        "L-2": "accepted",
        "L-3": "lost",
    }
    found = [
        (each.lead_id, each.kind, [label.by for label in each.labels])
        for each in feedback.conflicts()
    ]
    assert found == [("L-1", "opinions", ["Lee", "Kim"]), ("L-3", "outcomes", ["Kim", "Lee"])]


def test_leads_are_paged_searched_and_filtered(feedback: FeedbackStore) -> None:
    feedback.remember(
        [given(f"L-{i}", i / 100, owner=f"O{i % 3}", source=f"S{i % 2}") for i in range(60)]
    )
    feedback.add(Label("L-59", "rejected", "Kim"))
    feedback.add(Label("L-58", "accepted", "Kim"))
    first, second = feedback.leads(), feedback.leads(LeadFilter(page=2))
    assert [row.lead_id for row in first.leads[:2]] == ["L-58", "L-57"]
    assert (first.more, first.total, len(second.leads), second.more) == (True, 59, 9, False)
    assert [
        row.lead_id
        for row in feedback.leads(LeadFilter(search="ANNA l-5", owner="O1", source="S1")).leads
    ] == ["L-55"]
    assert [row.lead_id for row in feedback.leads(LeadFilter(state="rejected")).leads] == ["L-59"]
    assert feedback.leads(LeadFilter(search="%")).leads == ()
    assert feedback.leads(LeadFilter(decision="nurture")).leads == ()
    assert feedback.choices() == (["O0", "O1", "O2"], ["S0", "S1"])


def test_the_database_itself_refuses_to_alter_a_label(feedback: FeedbackStore) -> None:
    feedback.add(Label("L-1", "won", "Kim"))
    with (
        pytest.raises(sql.exc.DBAPIError, match="append only"),
        feedback.engine.begin() as connection,
    ):
        connection.execute(sql.text("UPDATE labels SET label = 'lost'"))


OPENING = """
import sys
from pathlib import Path
from winnable.data.feedback.store.store import FeedbackStore
from winnable.data.feedback.store.records import Label
FeedbackStore.open(Path(sys.argv[1])).add(Label(sys.argv[2], "accepted", "Kim"))
"""


def test_many_processes_may_be_the_first(label_place: Path) -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", OPENING, str(label_place), f"L-{i}"])
        for i in range(4)
    ]
    assert [process.wait(60) for process in started] == [0] * 4
    assert len(FeedbackStore.open(label_place).labels()) == 4


def test_the_revision_that_the_tables_are_is_the_newest_migration(feedback: FeedbackStore) -> None:
    """What the migrations make is what the queries expect, column by column."""
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    from winnable.data.feedback.store.tables import metadata

    with feedback.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    if (
        feedback.engine.dialect.name == "sqlite"
    ):  # whose expressions in an index cannot be read back
        differences = [each for each in differences if "index" not in each[0]]
    assert differences == []


def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    feedback = FeedbackStore.open(tmp_path)
    with feedback.transaction() as connection:
        connection.execute(sql.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="newer version"):
        FeedbackStore.open(tmp_path)


def test_a_database_that_cannot_be_used_is_told_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "WINNABLE_DATABASE_URL", "postgresql://user:geheim@127.0.0.1:1/none?connect_timeout=1"
    )
    with pytest.raises(StoreError) as told:
        FeedbackStore.open(tmp_path)
    assert "geheim" not in str(told.value)
    monkeypatch.setenv("WINNABLE_DATABASE_URL", "nonsense")
    with pytest.raises(StoreError, match="postgresql://"):
        FeedbackStore.open(tmp_path)


KILLING = """
import os, random, signal, sys, time
from pathlib import Path
from winnable.data.feedback.store.store import FeedbackStore
from winnable.data.feedback.store.records import Label

place, times = Path(sys.argv[1]), int(sys.argv[2])
FeedbackStore.open(place).close()  # the processes to come differ in the labels only

def write(out, writer):
    store = FeedbackStore.open(place)
    for i in range(100_000):
        name = f"{writer}-{i}"
        store.add(Label(name, "won", "Kim"), name)
        os.write(out, (name + "\\n").encode())

chance = random.Random(7)
for start in range(0, times, 2):
    running = []
    for writer in (start, start + 1):
        back, out = os.pipe()
        child = os.fork()
        if child == 0:
            write(out, writer)
        os.close(out)
        running.append((child, back))
    first = [os.read(back, 1_000_000) for _, back in running]  # both are at work
    for (child, back), told in zip(running, first):
        time.sleep(chance.random() * 0.01)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while more := os.read(back, 1_000_000):
            told += more
        sys.stdout.write(told.decode())
        os.close(back)
"""


def kill_writers(place: Path, times: int) -> tuple[list[str], list[str]]:
    """Kill so many processes, two of which add labels at once, at any moment; returns the names
    that were acknowledged and those in the store afterwards."""
    done = subprocess.run(
        [sys.executable, "-c", KILLING, str(place), str(times)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout.split(), [label.lead_id for label in FeedbackStore.open(place).labels()]


def test_no_acknowledged_label_is_lost_and_none_doubled_when_writers_are_killed(
    label_place: Path,
) -> None:
    acknowledged, kept = kill_writers(label_place, 30)
    assert len(acknowledged) >= 30
    assert set(acknowledged) <= set(kept)
    assert len(kept) == len(set(kept))


def test_only_ones_own_label_is_withdrawn_or_corrected(feedback: FeedbackStore) -> None:
    kims = feedback.add(Label("L-1", "won", "Kim"))
    for label in ("withdrawn", "lost"):
        with pytest.raises(LabelError, match="another person's label"):
            feedback.add(Label("L-1", label, "Mallory", replaces=kims.label_id))
    assert feedback.labels() == [kims]
    admin = Actor("Ada", "5c01d2ee", "10.0.0.7", may_correct_others=True)
    undone = feedback.add(Label("L-1", "withdrawn", "Ada", replaces=kims.label_id), None, admin)
    assert [row.state for row in feedback.leads().leads] == ["new"]
    assert [(entry.who, entry.key, entry.place) for entry in feedback.audit_trail()] == [
        ("Kim", None, "api"),
        ("Ada", "5c01d2ee", "10.0.0.7"),
    ]
    assert feedback.audit_trail()[1].subject == undone.label_id


def test_a_later_answer_counts_even_if_the_clock_was_set_back(feedback: FeedbackStore) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=2)
    feedback.add(Label("L-1", "won", "Kim", at=ahead, recorded_at=ahead))  # by the clock of then
    later = feedback.add(Label("L-1", "lost", "Kim"))
    lead = feedback.lead("L-1")
    assert lead is not None
    assert lead.lead.state == "lost"
    assert [label.label_id for label in feedback.labels()][-1] == later.label_id
    assert [conflict.lead_id for conflict in feedback.conflicts()] == []


def test_what_is_said_of_an_earlier_time_does_not_count_as_later(feedback: FeedbackStore) -> None:
    feedback.add(Label("L-1", "won", "Kim"))
    feedback.add(Label("L-1", "lost", "Kim", at=NOW - timedelta(days=90)))
    lead = feedback.lead("L-1")
    assert lead is not None
    assert lead.lead.state == "won"


@pytest.mark.parametrize(
    ("at", "says"),
    [
        (datetime(1, 1, 1, tzinfo=UTC), "before 1990"),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), "before 1990"),
        (datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-12))), "in the future"),
    ],
)
def test_a_label_of_an_impossible_time_is_refused(
    feedback: FeedbackStore, at: datetime, says: str
) -> None:
    with pytest.raises(DataError, match=says):
        feedback.add(Label("L-1", "won", "Kim", at=at))
    assert feedback.labels() == []


def test_a_page_of_a_lead_reads_only_the_scores_that_it_shows(feedback: FeedbackStore) -> None:
    feedback.remember(
        [given("L-1", number / 500, NOW + timedelta(days=number)) for number in range(300)]
    )
    lead = feedback.lead("L-1", 50)
    assert lead is not None
    assert [score.as_of for score in lead.scores] == [
        NOW + timedelta(days=number) for number in range(250, 300)
    ]
    assert lead.lead.week_ago == pytest.approx(292 / 500)


WEEKS = [NOW - timedelta(weeks=weeks) for weeks in (3, 2, 1)]


@pytest.mark.parametrize(
    ("since", "present", "found"),
    [
        (WEEKS[1] + timedelta(days=3), NOW, WEEKS[1]),
        (WEEKS[1], NOW, WEEKS[1]),
        (NOW, NOW, WEEKS[2]),
        (WEEKS[0] - timedelta(days=1), NOW, WEEKS[0]),
        (WEEKS[1], WEEKS[1], WEEKS[0]),
        (WEEKS[0], WEEKS[0], None),
    ],
    ids=[
        "the last one by then",
        "as of then",
        "none of the present",
        "else the first one after it",
        "none that is not earlier",
        "none",
    ],
)
def test_the_earlier_score_of_a_lead(
    feedback: FeedbackStore, since: datetime, present: datetime, found: datetime | None
) -> None:
    parts = packed({"model": "a", "parts": []})
    for place, as_of in enumerate([*WEEKS, NOW]):
        feedback.remember([given("L-1", 0.1 * place, as_of, parts=parts), given("L-2")])
    earlier = feedback.earlier_scores([("L-1", since, present), ("L-9", since, present)])
    if found is None:
        assert earlier == {}
        return
    (score,) = earlier.values()
    assert earlier.keys() == {("L-1", present)}
    assert (score.lead_id, score.as_of, score.parts) == ("L-1", found, parts)
    assert score.probability == pytest.approx(0.1 * WEEKS.index(found))
    assert score.score_id == f"L-1-{found:%m%d}"


def test_an_id_that_no_database_takes_costs_the_others_no_earlier_score(
    feedback: FeedbackStore,
) -> None:
    feedback.remember([given("L-1", 0.1, WEEKS[0])])
    wanted = [(lead, WEEKS[1], NOW) for lead in ("L\x00-1", "L-1", "\x00")]
    assert feedback.earlier_scores(wanted).keys() == {("L-1", NOW)}


def test_a_list_has_the_score_of_a_week_before_or_else_the_first_one(
    feedback: FeedbackStore,
) -> None:
    day = timedelta(days=1)
    feedback.remember([given("old", 0.1, NOW - 9 * day), given("old", 0.2, NOW - 8 * day)])
    feedback.remember([given("young", 0.1, NOW - 3 * day), given("young", 0.2, NOW - 2 * day)])
    feedback.remember([given(lead, 0.3) for lead in ("old", "young", "new")])
    rows = {row.lead_id: row for row in feedback.leads().leads}
    earlier = {name: row.earlier and row.earlier.as_of for name, row in rows.items()}
    assert earlier == {"old": NOW - 8 * day, "young": NOW - 3 * day, "new": None}
    assert {name: row.week_ago for name, row in rows.items()} == {
        "old": pytest.approx(0.2),
        "young": None,
        "new": None,
    }
