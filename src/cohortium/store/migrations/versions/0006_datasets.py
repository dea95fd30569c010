"""dataset versions, lists of scans, flags"""

import sqlalchemy as sa
from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('dataset',
    sa.Column('id', ID, nullable=False),
    sa.Column('project_id', ID, nullable=False),
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('description', sa.Text(), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('source', sa.String(length=64), nullable=False),
    sa.Column('files', sa.BigInteger(), nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.Column('subjects', sa.BigInteger(), nullable=False),
    sa.Column('series', sa.BigInteger(), nullable=False),
    sa.Column('by', sa.String(length=64), nullable=False),
    sa.Column('created', sa.String(length=32), nullable=False),
    sa.ForeignKeyConstraint(['project_id'], ['project.id'], name=op.f('fk_dataset_project_id_project')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_dataset')),
    sa.UniqueConstraint('project_id', 'digest', name=op.f('uq_dataset_project_id_digest')),
    sa.UniqueConstraint('project_id', 'name', name=op.f('uq_dataset_project_id_name'))
    )
    op.create_table('flag',
    sa.Column('id', ID, nullable=False),
    sa.Column('project_id', ID, nullable=False),
    sa.Column('SeriesInstanceUID', sa.String(length=64), nullable=False),
    sa.Column('SOPInstanceUID', sa.String(length=64), nullable=False),
    sa.Column('verdict', sa.String(length=16), nullable=False),
    sa.Column('reason', sa.String(length=500), nullable=False),
    sa.Column('by', sa.String(length=64), nullable=False),
    sa.Column('created', sa.String(length=32), nullable=False),
    sa.Column('ended', sa.String(length=32), nullable=False),
    sa.Column('ended_by', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['project_id'], ['project.id'], name=op.f('fk_flag_project_id_project')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_flag'))
    )
    with op.batch_alter_table('flag', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_flag_project_id_SeriesInstanceUID'), ['project_id', 'SeriesInstanceUID'], unique=False)

    op.create_table('scan_list',
    sa.Column('id', ID, nullable=False),
    sa.Column('project_id', ID, nullable=False),
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('by', sa.String(length=64), nullable=False),
    sa.Column('created', sa.String(length=32), nullable=False),
    sa.ForeignKeyConstraint(['project_id'], ['project.id'], name=op.f('fk_scan_list_project_id_project')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_scan_list')),
    sa.UniqueConstraint('project_id', 'name', name=op.f('uq_scan_list_project_id_name'))
    )
    op.create_table('dataset_file',
    sa.Column('dataset_id', ID, nullable=False),
    sa.Column('path', sa.String(length=1024), nullable=False),
    sa.Column('PatientID', sa.String(length=64), nullable=False),
    sa.Column('SeriesInstanceUID', sa.String(length=64), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['dataset_id'], ['dataset.id'], name=op.f('fk_dataset_file_dataset_id_dataset'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('dataset_id', 'path', name=op.f('pk_dataset_file'))
    )
    with op.batch_alter_table('dataset_file', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_dataset_file_digest'), ['digest'], unique=False)

    op.create_table('listed_scan',
    sa.Column('list_id', ID, nullable=False),
    sa.Column('scan_id', ID, nullable=False),
    sa.ForeignKeyConstraint(['list_id'], ['scan_list.id'], name=op.f('fk_listed_scan_list_id_scan_list'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['scan_id'], ['scan.id'], name=op.f('fk_listed_scan_scan_id_scan'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('list_id', 'scan_id', name=op.f('pk_listed_scan'))
    )
    with op.batch_alter_table('listed_scan', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_listed_scan_scan_id'), ['scan_id'], unique=False)
