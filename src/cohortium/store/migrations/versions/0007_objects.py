"""objects sealed by subject, packs, tombstones"""

import sqlalchemy as sa
from alembic import op

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('garbage',
    sa.Column('id', ID, nullable=False),
    sa.Column('key_id', sa.BigInteger(), nullable=True),
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('since', sa.String(length=32), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_garbage'))
    )
    op.create_table('data_key',
    sa.Column('id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('project_id', ID, nullable=False),
    sa.Column('PatientID', sa.String(length=64), nullable=False),
    sa.Column('wrapped', sa.LargeBinary(), nullable=False),
    sa.Column('created', sa.String(length=32), nullable=False),
    sa.ForeignKeyConstraint(['project_id'], ['project.id'], name=op.f('fk_data_key_project_id_project')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_data_key')),
    sa.UniqueConstraint('project_id', 'PatientID', name=op.f('uq_data_key_project_id_PatientID'))
    )
    op.create_table('tombstone',
    sa.Column('id', ID, nullable=False),
    sa.Column('project_id', ID, nullable=False),
    sa.Column('level', sa.String(length=16), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('reason', sa.String(length=255), nullable=False),
    sa.Column('who', sa.String(length=64), nullable=False),
    sa.Column('time', sa.String(length=32), nullable=False),
    sa.ForeignKeyConstraint(['project_id'], ['project.id'], name=op.f('fk_tombstone_project_id_project')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_tombstone'))
    )
    with op.batch_alter_table('tombstone', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_tombstone_project_id_digest'), ['project_id', 'digest'], unique=False)
        batch_op.create_index(batch_op.f('ix_tombstone_project_id_level_name'), ['project_id', 'level', 'name'], unique=False)

    op.create_table('withdrawal',
    sa.Column('id', ID, nullable=False),
    sa.Column('project_id', ID, nullable=False),
    sa.Column('PatientID', sa.String(length=64), nullable=False),
    sa.Column('key_id', sa.BigInteger(), nullable=True),
    sa.Column('reason', sa.String(length=255), nullable=False),
    sa.Column('who', sa.String(length=64), nullable=False),
    sa.Column('time', sa.String(length=32), nullable=False),
    sa.ForeignKeyConstraint(['project_id'], ['project.id'], name=op.f('fk_withdrawal_project_id_project')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_withdrawal')),
    sa.UniqueConstraint('project_id', 'PatientID', name=op.f('uq_withdrawal_project_id_PatientID'))
    )
    op.create_table('pack',
    sa.Column('id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('scan_id', ID, nullable=False),
    sa.Column('key_id', sa.BigInteger(), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.Column('tier', sa.String(length=8), server_default='hot', nullable=False),
    sa.Column('created', sa.String(length=32), nullable=False),
    sa.ForeignKeyConstraint(['scan_id'], ['scan.id'], name=op.f('fk_pack_scan_id_scan')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_pack'))
    )
    with op.batch_alter_table('pack', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_pack_scan_id'), ['scan_id'], unique=False)

    op.create_table('earlier_version',
    sa.Column('id', ID, nullable=False),
    sa.Column('project_id', ID, nullable=False),
    sa.Column('instance_id', ID, nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.Column('key_id', sa.BigInteger(), nullable=True),
    sa.Column('pack_id', sa.BigInteger(), nullable=True),
    sa.Column('pack_offset', sa.BigInteger(), nullable=True),
    sa.Column('replaced', sa.String(length=32), nullable=False),
    sa.ForeignKeyConstraint(['instance_id'], ['instance.id'], name=op.f('fk_earlier_version_instance_id_instance'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['project_id'], ['project.id'], name=op.f('fk_earlier_version_project_id_project')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_earlier_version')),
    sa.UniqueConstraint('instance_id', 'digest', name=op.f('uq_earlier_version_instance_id_digest'))
    )
    with op.batch_alter_table('earlier_version', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_earlier_version_digest'), ['digest'], unique=False)

    with op.batch_alter_table('instance', schema=None) as batch_op:
        batch_op.add_column(sa.Column('key_id', sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column('pack_id', sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column('pack_offset', sa.BigInteger(), nullable=True))

    with op.batch_alter_table('project', schema=None) as batch_op:
        batch_op.add_column(sa.Column('same_uid', sa.String(length=8), server_default='refuse', nullable=False))
        batch_op.add_column(sa.Column('pack_hours', sa.Integer(), server_default='0', nullable=False))
        batch_op.add_column(sa.Column('cold_days', sa.Integer(), server_default='0', nullable=False))

    # not in a batch, which would copy the table for the sake of the default
    op.add_column('project', sa.Column('readmit', sa.Boolean(), server_default=sa.false(), nullable=False))

    with op.batch_alter_table('scan', schema=None) as batch_op:
        batch_op.add_column(sa.Column('loose_since', sa.String(length=32), server_default='', nullable=False))
        batch_op.create_index(batch_op.f('ix_scan_loose_since'), ['loose_since'], unique=False)
