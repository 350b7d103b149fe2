"""Views for reports and for whatever brings scores back into a CRM (reverse ETL): the latest score
and the present label of each lead, without names, addresses, notes and values of leads. An owner,
an account and who gave a label are in them.

An answered lead is back as soon as its time has come, as in the inbox. Their columns are promised:
later versions add some and take none away.
"""

from alembic import op

revision = "0008"
down_revision = "0007"

CURRENT_SCORES = """
CREATE VIEW current_scores AS
SELECT s.lead_id, s.score_id, s.probability, s.low, s.high, s.probability_winnable, s.grade,
       l.cell, s.decision, s.because, s.mode, s.version AS model, s.as_of, s.given_at, s.owner,
       s.source, s.account, l.returns_at,
       CASE WHEN l.returns_at <= CURRENT_TIMESTAMP THEN 'returned' ELSE l.state END AS state,
       CASE WHEN l.returns_at <= CURRENT_TIMESTAMP THEN
                CASE WHEN l.decision = 'pass' THEN 'sales'
                     WHEN l.decision IN ('nurture', 'recycle') THEN 'nurture' END
            ELSE l.queue END AS queue
FROM leads AS l JOIN scores AS s ON s.score_id = l.score_id
"""

CURRENT_LABELS = """
CREATE VIEW current_labels AS
SELECT b.lead_id, b.label_id, b.score_id, b.label,
       CASE WHEN b.label = 'rejected' THEN b.reason END AS reason,
       b."by", b.at, b.recorded_at, b.origin
FROM leads AS l JOIN labels AS b ON b.label_id = l.label_id
"""


def upgrade() -> None:
    """Make the views."""
    op.execute(CURRENT_SCORES)
    op.execute(CURRENT_LABELS)


def downgrade() -> None:
    """Take them away again."""
    op.execute("DROP VIEW current_labels")
    op.execute("DROP VIEW current_scores")
