"""Approval of protocols"""

import sqlalchemy as sa
from alembic import op

revision = '0023'
down_revision = '0022'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('protocol_approval',
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('author', sa.String(length=64), nullable=False),
    sa.Column('created', sa.String(length=32), nullable=False),
    sa.Column('approver', sa.String(length=64), server_default='', nullable=False),
    sa.Column('approved', sa.String(length=32), server_default='', nullable=False),
    sa.Column('retirer', sa.String(length=64), server_default='', nullable=False),
    sa.Column('retired', sa.String(length=32), server_default='', nullable=False),
    sa.Column('signature', sa.String(length=128), server_default='', nullable=False),
    sa.PrimaryKeyConstraint('digest', name=op.f('pk_protocol_approval'))
    )
