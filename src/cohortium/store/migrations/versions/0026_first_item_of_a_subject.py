"""First item of a subject"""

from alembic import op

revision = '0026'
down_revision = '0025'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index(op.f('ix_item_PatientID'), table_name='item')
    op.create_index(op.f('ix_item_PatientID_number'), 'item', ['PatientID', 'number'], unique=False)
