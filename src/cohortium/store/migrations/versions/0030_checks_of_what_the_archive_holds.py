"""checks of what the archive holds"""

import sqlalchemy as sa
from alembic import op

revision = '0030'
down_revision = '0029'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('check_run',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('project_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('dataset', sa.String(length=64), nullable=False),
    sa.Column('specification', sa.Text(), nullable=False),
    sa.Column('ocr', sa.Boolean(), nullable=False),
    sa.Column('by', sa.String(length=64), nullable=False),
    sa.Column('created', sa.String(length=32), nullable=False),
    sa.Column('started', sa.String(length=32), server_default='', nullable=False),
    sa.Column('stage', sa.String(length=16), server_default='', nullable=False),
    sa.Column('done', sa.Integer(), server_default='0', nullable=False),
    sa.Column('total', sa.Integer(), server_default='0', nullable=False),
    sa.Column('gone', sa.Integer(), server_default='0', nullable=False),
    sa.Column('ended', sa.String(length=32), server_default='', nullable=False),
    sa.Column('head', sa.JSON(), nullable=True),
    sa.ForeignKeyConstraint(['project_id'], ['project.id'], name=op.f('fk_check_run_project_id_project')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_check_run'))
    )
    with op.batch_alter_table('check_run', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_check_run_project_id_dataset_id'), ['project_id', 'dataset', 'id'], unique=False)

    op.create_table('check_finding',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('project_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('dataset', sa.String(length=64), nullable=False),
    sa.Column('key', sa.String(length=32), nullable=False),
    sa.Column('first_run_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('last_run_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('subject_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('session_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('scan_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('state', sa.String(length=8), nullable=False),
    sa.Column('rule', sa.String(length=64), nullable=False),
    sa.Column('severity', sa.String(length=8), nullable=False),
    sa.Column('message', sa.Text(), nullable=False),
    sa.Column('mend', sa.Text(), nullable=False),
    sa.Column('patient', sa.String(length=64), nullable=False),
    sa.Column('SeriesInstanceUID', sa.String(length=64), nullable=False),
    sa.Column('SOPInstanceUID', sa.String(length=64), nullable=False),
    sa.Column('file', sa.Text(), nullable=False),
    sa.Column('row', sa.Integer(), nullable=False),
    sa.Column('variable', sa.Text(), nullable=False),
    sa.Column('first_found', sa.String(length=32), nullable=False),
    sa.Column('last_found', sa.String(length=32), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('by', sa.String(length=64), nullable=False),
    sa.Column('decided', sa.String(length=32), nullable=False),
    sa.Column('mended', sa.String(length=32), nullable=False),
    sa.ForeignKeyConstraint(['first_run_id'], ['check_run.id'], name=op.f('fk_check_finding_first_run_id_check_run')),
    sa.ForeignKeyConstraint(['last_run_id'], ['check_run.id'], name=op.f('fk_check_finding_last_run_id_check_run')),
    sa.ForeignKeyConstraint(['project_id'], ['project.id'], name=op.f('fk_check_finding_project_id_project')),
    sa.ForeignKeyConstraint(['scan_id'], ['scan.id'], name=op.f('fk_check_finding_scan_id_scan'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['session_id'], ['session.id'], name=op.f('fk_check_finding_session_id_session'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['subject_id'], ['subject.id'], name=op.f('fk_check_finding_subject_id_subject'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_check_finding')),
    sa.UniqueConstraint('project_id', 'dataset', 'key', name=op.f('uq_check_finding_project_id_dataset_key'))
    )
    with op.batch_alter_table('check_finding', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_check_finding_last_run_id'), ['last_run_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_check_finding_scan_id'), ['scan_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_check_finding_session_id'), ['session_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_check_finding_subject_id'), ['subject_id'], unique=False)

    op.create_table('check_series',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('run_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('scan_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('record', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['run_id'], ['check_run.id'], name=op.f('fk_check_series_run_id_check_run'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['scan_id'], ['scan.id'], name=op.f('fk_check_series_scan_id_scan'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_check_series'))
    )
    with op.batch_alter_table('check_series', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_check_series_run_id'), ['run_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_check_series_scan_id'), ['scan_id'], unique=False)

