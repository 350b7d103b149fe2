"""Create the tables of scores, labels and what is derived from them.

Labels can be inserted and, when a person's data is erased, deleted, but never updated: the database
itself refuses it.
"""

import sqlalchemy as sql
from alembic import op

revision = "0001"
down_revision = None

UTC = sql.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    _scores()
    _labels()
    _leads()
    op.create_table(
        "exports",
        sql.Column("path", sql.Text, primary_key=True),
        sql.Column("written_at", UTC, nullable=False),
    )
    op.create_table(
        "erasures",
        sql.Column("receipt_id", sql.Text, primary_key=True),
        sql.Column("at", UTC, nullable=False),
        sql.Column("counts", sql.JSON, nullable=False),
        sql.Column("digest", sql.Text, nullable=False),
    )
    _append_only()


def downgrade() -> None:
    """Drop all tables, with everything in them."""
    for table in ("scores", "labels", "leads", "exports", "erasures"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION labels_append_only()")


def _scores() -> None:
    op.create_table(
        "scores",
        sql.Column("score_id", sql.Text, primary_key=True),
        sql.Column("lead_id", sql.Text, nullable=False),
        sql.Column("person", sql.Text),
        sql.Column("as_of", UTC, nullable=False),
        sql.Column("given_at", UTC, nullable=False),
        sql.Column("probability", sql.Double, nullable=False),
        sql.Column("low", sql.Double, nullable=False),
        sql.Column("high", sql.Double, nullable=False),
        sql.Column("probability_winnable", sql.Double),
        *(sql.Column(name, sql.Text, nullable=False) for name in ("grade", "decision", "because")),
        sql.Column("reasons", sql.JSON, nullable=False),
        *(sql.Column(name, sql.Text, nullable=False) for name in ("mode", "version")),
        *(sql.Column(name, sql.JSON, nullable=False) for name in ("values", "activities")),
        *(sql.Column(name, sql.Text) for name in ("name", "owner", "source")),
    )
    op.create_index("scores_of_lead", "scores", ["lead_id", "as_of"])
    op.create_index("scores_of_person", "scores", ["person"])


def _labels() -> None:
    op.create_table(
        "labels",
        sql.Column("label_id", sql.Text, primary_key=True),
        sql.Column("lead_id", sql.Text, nullable=False),
        sql.Column("score_id", sql.Text),
        sql.Column("label", sql.Text, nullable=False),
        sql.Column("reason", sql.Text),
        sql.Column("note", sql.Text),
        sql.Column("by", sql.Text, nullable=False),
        sql.Column("at", UTC, nullable=False),
        sql.Column("recorded_at", UTC, nullable=False),
        sql.Column("origin", sql.Text, nullable=False),
        sql.Column("replaces", sql.Text),
        sql.Column("key", sql.Text, unique=True),
        sql.Column("key_digest", sql.Text),
    )
    op.create_index("labels_of_lead", "labels", ["lead_id"])
    op.create_index("labels_by_time", "labels", ["recorded_at"])


def _leads() -> None:
    op.create_table(
        "leads",
        sql.Column("lead_id", sql.Text, primary_key=True),
        sql.Column("person", sql.Text),
        sql.Column("search", sql.Text, nullable=False),
        *(sql.Column(name, sql.Text) for name in ("owner", "source", "score_id")),
        sql.Column("as_of", UTC),
        sql.Column("given_at", UTC),
        sql.Column("probability", sql.Double, nullable=False),
        sql.Column("decision", sql.Text),
        sql.Column("state", sql.Text, nullable=False),
        sql.Column("open", sql.Boolean, nullable=False),
        sql.Column("label_id", sql.Text),
    )
    best: list[str | sql.TextClause] = [sql.text("probability DESC"), "lead_id"]
    op.create_index("leads_best_first", "leads", ["open", *best])
    op.create_index("leads_all", "leads", best)
    op.create_index("leads_by_state", "leads", ["state", *best])
    op.create_index("leads_by_decision", "leads", ["open", "decision", *best])
    op.create_index("leads_by_owner", "leads", ["owner", "open", *best])
    op.create_index("leads_by_source", "leads", ["source", "open", *best])
    op.create_index("leads_of_person", "leads", ["person"])


def _append_only() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER labels_append_only BEFORE UPDATE ON labels BEGIN SELECT RAISE(ABORT,"
            " 'labels are append only'); END"
        )
    elif op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION labels_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'labels are append only'; END $$"
        )
        op.execute(
            "CREATE TRIGGER labels_append_only BEFORE UPDATE ON labels FOR EACH ROW EXECUTE"
            " FUNCTION labels_append_only()"
        )
