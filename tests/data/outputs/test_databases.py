"""Tables in a database, SQLite and PostgreSQL: written again and again without doubling, whole or
not at all, and never with a password in a message."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sql

from winnable.data.outputs.place import SCORE_KEY, SCORE_KEY_WITH_HISTORY, Output
from winnable.errors import StoreError


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without the tables of this file."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'bi.db'}"
        return
    url = request.getfixturevalue("postgres")
    yield url
    with engine(url).begin() as connection:
        connection.execute(sql.text("DROP TABLE IF EXISTS outputs_scores"))


def engine(url: str) -> sql.Engine:
    return sql.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))


def rows(url: str, order: str = "lead_id, model, as_of") -> list[dict[str, object]]:
    with engine(url).connect() as connection:
        found = connection.execute(sql.text(f"SELECT * FROM outputs_scores ORDER BY {order}"))
        return [dict(row._mapping) for row in found]


def scores(probability: float, as_of: str = "2026-07-01T00:00:00Z") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "lead_id": ["L-1", "L-2"],
            "probability": [probability, 1 / 3],
            "because": ["a\x00b", None],
            "model": ["1", "1"],
            "as_of": [as_of, as_of],
        }
    )


def test_a_job_that_runs_again_doubles_nothing(address: str) -> None:
    place = Output(f"{address}#outputs_scores")
    for probability in (0.1, 0.1 + 0.2):
        place.check((), SCORE_KEY)
        assert place.write(scores(probability), SCORE_KEY) == ()
    assert [(row["lead_id"], row["probability"]) for row in rows(address)] == [
        ("L-1", 0.1 + 0.2),
        ("L-2", 1 / 3),
    ]
    assert rows(address)[0]["because"] == "ab"  # PostgreSQL stores no NUL


def test_earlier_moments_stay_where_history_is_kept(address: str) -> None:
    place = Output(f"{address}#outputs_scores")
    for probability, day in ((0.1, "01"), (0.2, "02"), (0.3, "02")):
        place.write(scores(probability, f"2026-07-{day}T00:00:00Z"), SCORE_KEY_WITH_HISTORY)
    found = [row["probability"] for row in rows(address) if row["lead_id"] == "L-1"]
    assert found == [0.1, 0.3]


def test_what_cannot_be_told_apart_is_told(address: str) -> None:
    table = pd.concat([scores(0.1), scores(0.2), scores(0.3).assign(lead_id=None)])
    told = Output(f"{address}#outputs_scores").write(table, SCORE_KEY)
    assert len(told) == 2
    assert told[0].startswith("2 rows without 'lead_id', 'model': not in")
    assert told[1].startswith("2 rows with the same 'lead_id', 'model' as a later one")
    assert [row["probability"] for row in rows(address)] == [0.2, 1 / 3]


def test_other_rows_and_columns_stay(address: str) -> None:
    place = Output(f"{address}#outputs_scores")
    place.write(scores(0.1), SCORE_KEY)
    with engine(address).begin() as connection:
        connection.execute(sql.text("ALTER TABLE outputs_scores ADD COLUMN seen TEXT"))
        connection.execute(sql.text("UPDATE outputs_scores SET seen = 'yes'"))
    place.write(scores(0.2).iloc[:1], SCORE_KEY)
    assert [(row["probability"], row["seen"]) for row in rows(address)] == [
        (0.2, "yes"),
        (1 / 3, "yes"),
    ]


def test_a_table_without_a_key_is_replaced(address: str) -> None:
    place = Output(f"{address}#outputs_scores")
    place.write(scores(0.1), ())
    place.write(scores(0.2).iloc[:1], ())
    assert [row["probability"] for row in rows(address)] == [0.2]


def test_a_table_that_does_not_fit_is_refused_and_stays(address: str) -> None:
    place = Output(f"{address}#outputs_scores")
    place.write(scores(0.1).drop(columns="because"), SCORE_KEY)
    with pytest.raises(StoreError, match="no column 'because'"):
        place.write(scores(0.2), SCORE_KEY)
    with pytest.raises(StoreError, match="the table's key is 'lead_id', 'model'"):
        place.check((), SCORE_KEY_WITH_HISTORY)
    assert [row["probability"] for row in rows(address)] == [0.1, 1 / 3]


def test_a_failure_in_the_middle_changes_nothing(address: str) -> None:
    place = Output(f"{address}#outputs_scores")
    place.write(scores(0.1), SCORE_KEY)
    many = pd.concat([scores(0.2).iloc[:1].assign(lead_id=f"M-{i}") for i in range(1500)])
    with engine(address).begin() as connection:
        connection.execute(
            sql.text("CREATE UNIQUE INDEX one_each ON outputs_scores (lead_id, probability)")
        )
    broken = pd.concat([many, scores(0.4).assign(lead_id="L-3", model=["1", "2"], probability=0.5)])
    with pytest.raises(StoreError, match="cannot be written"):
        place.write(broken, SCORE_KEY)
    assert [row["lead_id"] for row in rows(address)] == ["L-1", "L-2"]


def test_an_input_is_never_written_into(address: str) -> None:
    given = f"{address}#outputs_scores"
    with pytest.raises(StoreError, match="is an input"):
        Output(given).check((None, given), SCORE_KEY)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("postgresql://u:secret@127.0.0.1:1/db#t", "connection refused"),
        ("postgresql://u:secret@127.0.0.1:1/db", "which table?"),
        ("mysql://u:secret@h/db#t", "PostgreSQL and SQLite only"),
        ("nonsense://u:secret@h/db#t", "PostgreSQL and SQLite only"),
        ("postgresql://u:sec#ret@h/db", "write '#' in a password as %23"),
        ("sqlite:////nowhere/at/all.db#t", "cannot be written"),
        ("sqlite://#t", "names no file"),
        ("sqlite:///:memory:#t", "names no file"),
        ("s3://bucket/scores.csv", "PostgreSQL and SQLite only"),
    ],
)
def test_a_place_that_cannot_be_written_is_told_without_the_password(given: str, says: str) -> None:
    with pytest.raises(StoreError, match=rf"(?i){says}") as caught:
        Output(given).check((), SCORE_KEY)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_there_keeps_its_mode_and_a_check_makes_none(tmp_path: Path) -> None:
    shared = tmp_path / "shared.db"
    Output(f"sqlite:///{shared}#outputs_scores").check((), SCORE_KEY)
    assert not shared.exists()
    Output(f"sqlite:///{shared}#outputs_scores").write(scores(0.1), SCORE_KEY)
    shared.chmod(0o664)
    Output(f"sqlite:///{shared}#outputs_scores").write(scores(0.2), SCORE_KEY)
    assert shared.stat().st_mode & 0o777 == 0o664
    (tmp_path / "leads.csv").write_text("lead_id\nL-1\n")
    (tmp_path / "leads.csv").chmod(0o664)
    with pytest.raises(StoreError, match="not a database"):
        Output(f"sqlite:///{tmp_path / 'leads.csv'}#outputs_scores").check((), SCORE_KEY)
    assert (tmp_path / "leads.csv").stat().st_mode & 0o777 == 0o664


def test_types_do_not_follow_what_the_first_export_has(address: str) -> None:
    place = Output(f"{address}#outputs_scores")
    columns = {"cell": [None, None], "fit": [None, None], "error": [None, None]}
    place.write(scores(0.1).assign(probability=None, **columns).iloc[:0], SCORE_KEY)
    place.write(scores(0.1).assign(cell=float("nan"), fit=None, error=None), SCORE_KEY)
    place.write(scores(0.2).assign(cell="A1", fit=1.5, error=None), SCORE_KEY)
    assert [(row["probability"], row["cell"], row["fit"]) for row in rows(address)] == [
        (0.2, "A1", 1.5),
        (1 / 3, "A1", 1.5),
    ]


def test_a_failure_leaves_no_table_behind(address: str) -> None:
    place = Output(f"{address}#outputs_scores")
    with pytest.raises(UnicodeEncodeError):  # no database takes half of a surrogate pair
        place.write(scores(0.1).assign(because="\ud800"), SCORE_KEY)
    assert not sql.inspect(engine(address)).has_table("outputs_scores")


def test_a_new_sqlite_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    Output(f"sqlite:///{tmp_path / 'new.db'}#outputs_scores").write(scores(0.1), SCORE_KEY)
    assert (tmp_path / "new.db").stat().st_mode & 0o777 == 0o600
