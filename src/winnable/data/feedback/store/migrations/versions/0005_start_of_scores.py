"""The probability from which the reasons of a score add up to it: that of a typical lead.

Of scores that are there already it is not known.
"""

import sqlalchemy as sql
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column."""
    op.add_column("scores", sql.Column("start", sql.Double))


def downgrade() -> None:
    """Take it away again."""
    op.drop_column("scores", "start")
