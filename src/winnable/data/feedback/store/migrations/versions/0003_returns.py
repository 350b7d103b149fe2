"""Let answered leads come back: when each one did, when it will, who works it, and what was said
before.

Which answered leads may come back is written in the definition, which is not known here: it is
found with the next score of each, or its next label.
"""

import sqlalchemy as sql
from alembic import op

revision = "0003"
down_revision = "0002"

UTC = sql.DateTime(timezone=True)


def upgrade() -> None:
    """Add the table and the columns."""
    op.create_table(
        "returns",
        sql.Column("lead_id", sql.Text, primary_key=True),
        sql.Column("sequence", sql.BigInteger, primary_key=True),
        sql.Column("at", UTC, nullable=False),
    )
    for name in ("queue", "before_id", "outcome"):
        op.add_column("leads", sql.Column(name, sql.Text))
    op.add_column("leads", sql.Column("returns_at", UTC))
    op.execute("UPDATE leads SET outcome = state WHERE state IN ('won', 'lost')")
    op.execute(
        "UPDATE leads SET queue = CASE decision WHEN 'pass' THEN 'sales' ELSE 'nurture' END"
        " WHERE state = 'new' AND decision IN ('pass', 'nurture', 'recycle')"
    )
    best: list[str | sql.TextClause] = [sql.text("probability DESC"), "lead_id"]
    op.create_index("leads_by_queue", "leads", ["queue", *best])
    op.create_index("queue_by_owner", "leads", ["owner", "queue", *best])
    op.create_index("queue_by_source", "leads", ["source", "queue", *best])
    known = sql.text("returns_at IS NOT NULL")  # of few leads
    op.create_index(
        "leads_returning", "leads", ["returns_at"], sqlite_where=known, postgresql_where=known
    )


def downgrade() -> None:
    """Take them away again; leads that came back are as they were before they did."""
    op.execute(
        "UPDATE leads SET open = false, label_id = before_id,"
        " state = (SELECT label FROM labels WHERE labels.label_id = leads.before_id)"
        " WHERE state = 'returned' AND before_id IS NOT NULL"
    )
    op.execute("UPDATE leads SET state = 'new' WHERE state = 'returned'")
    for name in ("leads_returning", "queue_by_source", "queue_by_owner", "leads_by_queue"):
        op.drop_index(name, "leads")
    for name in ("returns_at", "outcome", "before_id", "queue"):
        op.drop_column("leads", name)
    op.drop_table("returns")
