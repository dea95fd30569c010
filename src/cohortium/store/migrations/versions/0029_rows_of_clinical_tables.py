"""rows of clinical tables"""

import sqlalchemy as sa
from alembic import op

revision = '0029'
down_revision = '0028'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('clinical_subject',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('project_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('USUBJID', sa.String(length=200), nullable=False),
    sa.ForeignKeyConstraint(['project_id'], ['project.id'], name=op.f('fk_clinical_subject_project_id_project')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_clinical_subject')),
    sa.UniqueConstraint('project_id', 'USUBJID', name=op.f('uq_clinical_subject_project_id_USUBJID'))
    )
    op.create_table('clinical_table',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('project_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('domain', sa.String(length=8), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('why', sa.String(length=255), nullable=False),
    sa.Column('headings', sa.JSON(), nullable=False),
    sa.Column('rows', sa.Integer(), nullable=False),
    sa.Column('nobody', sa.Integer(), nullable=False),
    sa.Column('outdated', sa.Boolean(), server_default=sa.false(), nullable=False),
    sa.ForeignKeyConstraint(['project_id'], ['project.id'], name=op.f('fk_clinical_table_project_id_project')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_clinical_table')),
    sa.UniqueConstraint('project_id', 'digest', name=op.f('uq_clinical_table_project_id_digest'))
    )
    with op.batch_alter_table('clinical_table', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_clinical_table_outdated'), ['outdated'], unique=False)

    op.create_table('clinical_row',
    sa.Column('table_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('row', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('person_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('sequence', sa.Integer(), nullable=True),
    sa.Column('topic', sa.String(length=200), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('number', sa.Float(), nullable=True),
    sa.Column('unit', sa.String(length=64), nullable=False),
    sa.Column('earliest', sa.String(length=19), nullable=False),
    sa.Column('latest', sa.String(length=19), nullable=False),
    sa.Column('day', sa.Integer(), nullable=True),
    sa.Column('variables', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['person_id'], ['clinical_subject.id'], name=op.f('fk_clinical_row_person_id_clinical_subject'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['table_id'], ['clinical_table.id'], name=op.f('fk_clinical_row_table_id_clinical_table'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('table_id', 'row', name=op.f('pk_clinical_row')),
    sqlite_with_rowid=False
    )
    with op.batch_alter_table('clinical_row', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_clinical_row_person_id_table_id'), ['person_id', 'table_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_clinical_row_table_id_topic_number'), ['table_id', 'topic', 'number'], unique=False)
