"""labels of sessions and scans"""

import sqlalchemy as sa
from alembic import op

revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('session', sa.Column('label', sa.String(length=64), server_default='', nullable=False))
    op.add_column('scan', sa.Column('label', sa.String(length=64), server_default='', nullable=False))
    # of ids and numbers: a PatientID may be of any characters and any length
    op.execute("""UPDATE session SET label = 'session-' || id""")
    op.execute("""UPDATE scan SET label = 'scan-' || id""")
    op.execute("""UPDATE scan SET label = CAST("SeriesNumber" AS VARCHAR(20)) WHERE id IN
        (SELECT min(id) FROM scan WHERE "SeriesNumber" >= 0 GROUP BY session_id, "SeriesNumber")""")
    op.create_index('ix_session_project_id_label', 'session', ['project_id', 'label'], unique=True)
    op.create_index('ix_scan_session_id_label', 'scan', ['session_id', 'label'], unique=True)
