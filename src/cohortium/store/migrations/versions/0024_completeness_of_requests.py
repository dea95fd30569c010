"""Completeness of requests, in counts, and the newest comparison of each cumulative delivery"""

import sqlalchemy as sa
from alembic import op

revision = '0024'
down_revision = '0023'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('comparison',
    sa.Column('source', sa.String(length=64), nullable=False),
    sa.Column('by', sa.String(length=64), nullable=False),
    sa.Column('created', sa.String(length=32), nullable=False),
    sa.Column('known', sa.Integer(), nullable=False),
    sa.Column('new', sa.Integer(), nullable=False),
    sa.Column('changed', sa.Integer(), nullable=False),
    sa.Column('absent', sa.Integer(), nullable=False),
    sa.Column('record', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('source', name=op.f('pk_comparison'))
    )
    with op.batch_alter_table('request', schema=None) as batch_op:
        batch_op.add_column(sa.Column('hours', sa.String(length=5), server_default='', nullable=False))
        batch_op.add_column(sa.Column('studies_hour', sa.Integer(), server_default='0', nullable=False))

    with op.batch_alter_table('requested', schema=None) as batch_op:
        batch_op.add_column(sa.Column('series', sa.JSON(), server_default='[]', nullable=False))
        batch_op.add_column(sa.Column('held', sa.JSON(), server_default='{}', nullable=False))

