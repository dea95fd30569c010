"""what waits keeps the labels that it is to have"""

import sqlalchemy as sa
from alembic import op

revision = '0017'
down_revision = '0016'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('prearchive', schema=None) as batch_op:
        batch_op.add_column(sa.Column('subject', sa.String(length=64), server_default='', nullable=False))
        batch_op.add_column(sa.Column('session', sa.String(length=64), server_default='', nullable=False))
