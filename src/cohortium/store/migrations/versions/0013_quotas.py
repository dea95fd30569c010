"""quotas of grants, what was read, and accounts that are shut"""

import sqlalchemy as sa
from alembic import op

revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('usage',
    sa.Column('user_id', sa.BigInteger(), nullable=False),
    sa.Column('project_id', ID, nullable=False),
    sa.Column('day', sa.String(length=10), nullable=False),
    sa.Column('bytes', sa.BigInteger(), nullable=False),
    sa.Column('instances', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['project_id'], ['project.id'], name=op.f('fk_usage_project_id_project'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('user_id', 'project_id', 'day', name=op.f('pk_usage'))
    )
    with op.batch_alter_table('usage', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_usage_day'), ['day'], unique=False)

    with op.batch_alter_table('grant', schema=None) as batch_op:
        batch_op.add_column(sa.Column('bytes_day', sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column('instances_day', sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column('bytes_total', sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column('instances_total', sa.BigInteger(), nullable=True))

    with op.batch_alter_table('user', schema=None) as batch_op:
        batch_op.add_column(sa.Column('state', sa.String(length=16), server_default='active', nullable=False))
