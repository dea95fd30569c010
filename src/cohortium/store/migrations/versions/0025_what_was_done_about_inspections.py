"""What was done about inspections"""

import sqlalchemy as sa
from alembic import op

revision = '0025'
down_revision = '0024'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('inspection', schema=None) as batch_op:
        batch_op.add_column(sa.Column('sent', sa.JSON(), server_default='{}', nullable=False))
        batch_op.add_column(sa.Column('dealt', sa.String(length=32), server_default='', nullable=False))
        batch_op.add_column(sa.Column('dealt_note', sa.String(length=500), server_default='', nullable=False))
        batch_op.add_column(sa.Column('dealt_by', sa.String(length=64), server_default='', nullable=False))
