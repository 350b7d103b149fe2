"""The grid: a score's fit, interest and intent, and the cell that its lead is found by.

Of scores that are there already it is not known; each lead gets its cell with its next score.
"""

import sqlalchemy as sql
from alembic import op

revision = "0007"
down_revision = "0006"

_INDEXES = {"leads_by_cell": "open", "queue_by_cell": "queue"}


def upgrade() -> None:
    """Add the columns and the indexes."""
    op.add_column("scores", sql.Column("grid", sql.JSON))
    op.add_column("leads", sql.Column("cell", sql.Text))
    known = sql.text("cell IS NOT NULL")  # of no lead without a grid
    for name, second in _INDEXES.items():
        order: list[str | sql.TextClause] = [
            "cell",
            second,
            sql.text("probability DESC"),
            "lead_id",
        ]
        op.create_index(name, "leads", order, sqlite_where=known, postgresql_where=known)


def downgrade() -> None:
    """Take them away again."""
    for name in _INDEXES:
        op.drop_index(name, "leads")
    op.drop_column("leads", "cell")
    op.drop_column("scores", "grid")
