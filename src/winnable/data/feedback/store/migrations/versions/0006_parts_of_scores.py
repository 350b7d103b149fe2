"""All that the reasons of a score were chosen from, so that a later one can be compared with it.

Of scores that are there already it is not known.
"""

import sqlalchemy as sql
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column."""
    op.add_column("scores", sql.Column("parts", sql.LargeBinary))


def downgrade() -> None:
    """Take it away again."""
    op.drop_column("scores", "parts")
