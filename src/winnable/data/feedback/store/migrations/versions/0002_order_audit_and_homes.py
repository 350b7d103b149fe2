"""Number the labels in the order in which they were taken in, add the audit trail, and note whose
an export is.

Entries of the audit trail can be inserted, but neither updated nor deleted: the database itself
refuses it.
"""

import sqlalchemy as sql
from alembic import op

revision = "0002"
down_revision = "0001"

UTC = sql.DateTime(timezone=True)
ORDER = "SELECT label_id, row_number() OVER (ORDER BY recorded_at, label_id) AS place FROM labels"


def upgrade() -> None:
    """Add the columns and the table."""
    _number_labels()
    op.add_column("exports", sql.Column("home", sql.Text))
    op.create_table(
        "audit",
        sql.Column(
            "entry_id", sql.BigInteger().with_variant(sql.Integer, "sqlite"), primary_key=True
        ),
        sql.Column("at", UTC, nullable=False),
        *(sql.Column(name, sql.Text, nullable=False) for name in ("action", "who", "place")),
        *(sql.Column(name, sql.Text) for name in ("key", "subject", "detail")),
    )
    op.create_index("audit_by_time", "audit", ["at"])
    _audit_append_only()


def downgrade() -> None:
    """Take them away again; the audit trail is lost."""
    op.drop_table("audit")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_append_only()")
    op.drop_column("exports", "home")
    op.drop_index("labels_in_order", "labels")
    op.drop_column("labels", "sequence")


def _number_labels() -> None:
    """Labels cannot be updated, so the trigger that refuses it is away meanwhile."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    op.add_column(
        "labels", sql.Column("sequence", sql.BigInteger, nullable=False, server_default="0")
    )
    if is_sqlite:
        op.execute("DROP TRIGGER labels_append_only")
    else:
        op.execute("ALTER TABLE labels DISABLE TRIGGER labels_append_only")
    op.execute(
        f"UPDATE labels SET sequence = ordered.place FROM ({ORDER}) AS ordered"
        " WHERE ordered.label_id = labels.label_id"
    )
    if is_sqlite:
        op.execute(
            "CREATE TRIGGER labels_append_only BEFORE UPDATE ON labels BEGIN SELECT RAISE(ABORT,"
            " 'labels are append only'); END"
        )
    else:
        op.execute("ALTER TABLE labels ENABLE TRIGGER labels_append_only")
    op.create_index("labels_in_order", "labels", ["sequence"])


def _audit_append_only() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_no_{change.lower()} BEFORE {change} ON audit BEGIN SELECT"
                " RAISE(ABORT, 'the audit trail is append only'); END"
            )
        op.execute(  # INSERT OR REPLACE deletes without asking the trigger on deletes
            "CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM"
            " audit WHERE entry_id = NEW.entry_id) BEGIN SELECT RAISE(ABORT, 'the audit trail is"
            " append only'); END"
        )
        return
    op.execute(
        "CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit trail is append only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE"
        " FUNCTION audit_append_only()"
    )
    op.execute(
        "CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE"
        " FUNCTION audit_append_only()"
    )
