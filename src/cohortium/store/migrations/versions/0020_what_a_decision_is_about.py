"""What a decision is about"""

import sqlalchemy as sa
from alembic import op

revision = '0020'
down_revision = '0019'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('decision', schema=None) as batch_op:
        batch_op.add_column(sa.Column('reason', sa.String(length=64), server_default='', nullable=False))
        batch_op.add_column(sa.Column('detail', sa.Text(), server_default='', nullable=False))
        batch_op.add_column(sa.Column('pipeline', sa.String(length=64), server_default='', nullable=False))

