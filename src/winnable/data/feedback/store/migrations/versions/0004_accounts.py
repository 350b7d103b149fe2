"""The account of each lead, so that those of one account are found by an index.

Of which account the leads are that are there already is not known; each gets its account with its
next score.
"""

import sqlalchemy as sql
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the columns and the index."""
    for table, name in (
        ("scores", "account"),
        ("scores", "account_name"),
        ("leads", "account"),
    ):
        op.add_column(table, sql.Column(name, sql.Text))
    op.create_index("leads_of_account", "leads", ["account"])


def downgrade() -> None:
    """Take them away again."""
    op.drop_index("leads_of_account", "leads")
    for table, name in (
        ("leads", "account"),
        ("scores", "account_name"),
        ("scores", "account"),
    ):
        op.drop_column(table, name)
