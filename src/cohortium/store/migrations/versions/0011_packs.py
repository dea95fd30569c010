"""headers of a pack in one document"""

import sqlalchemy as sa
from alembic import op

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('header_document',
    sa.Column('pack_id', sa.BigInteger(), nullable=False),
    sa.Column('scan_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('document', sa.LargeBinary(), nullable=False),
    sa.ForeignKeyConstraint(['pack_id'], ['pack.id'], name=op.f('fk_header_document_pack_id_pack'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['scan_id'], ['scan.id'], name=op.f('fk_header_document_scan_id_scan'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('pack_id', name=op.f('pk_header_document'))
    )
    with op.batch_alter_table('header_document', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_header_document_scan_id'), ['scan_id'], unique=False)

