"""projects that are deleted"""

import sqlalchemy as sa
from alembic import op

revision = '0016'
down_revision = '0015'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('project', sa.Column('closed', sa.String(length=32), server_default='', nullable=False))
