"""prearchive days"""

import sqlalchemy as sa
from alembic import op

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('prearchive', schema=None) as batch_op:
        batch_op.add_column(sa.Column('offered', sa.BigInteger(), server_default='0', nullable=False))

    with op.batch_alter_table('project', schema=None) as batch_op:
        batch_op.add_column(sa.Column('prearchive_days', sa.Integer(), server_default='30', nullable=False))

