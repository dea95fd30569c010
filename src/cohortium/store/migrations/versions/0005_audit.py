"""the audit in segments with signed heads; from where, and under which grant"""

import sqlalchemy as sa
from alembic import op

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('audit_head',
    sa.Column('id', ID, nullable=False),
    sa.Column('time', sa.String(length=32), nullable=False),
    sa.Column('segments', sa.Text(), nullable=False),
    sa.Column('previous', sa.String(length=64), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('signature', sa.String(length=128), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_audit_head')),
    sa.UniqueConstraint('digest', name=op.f('uq_audit_head_digest'))
    )
    op.create_table('audit_segment',
    sa.Column('segment', sa.String(length=16), nullable=False),
    sa.Column('rows', sa.Integer(), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('began', sa.String(length=32), nullable=False),
    sa.PrimaryKeyConstraint('segment', name=op.f('pk_audit_segment'))
    )
    with op.batch_alter_table('audit', schema=None) as batch_op:
        batch_op.add_column(sa.Column('segment', sa.String(length=16), server_default='', nullable=False))
        batch_op.add_column(sa.Column('address', sa.String(length=64), server_default='', nullable=False))
        batch_op.add_column(sa.Column('basis', sa.String(length=64), server_default='', nullable=False))
        batch_op.create_index(batch_op.f('ix_audit_who_what_time'), ['who', 'what', 'time'], unique=False)

    # the rows of earlier releases are one segment, without a name
    op.execute("""INSERT INTO audit_segment (segment, rows, digest, began)
        SELECT '', (SELECT count(*) FROM audit), digest, time FROM audit WHERE id = (SELECT max(id) FROM audit)""")
