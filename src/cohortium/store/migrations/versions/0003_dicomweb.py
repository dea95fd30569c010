"""what DICOMweb asks for"""

import sqlalchemy as sa
from alembic import op

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('header_dictionary',
    sa.Column('scan_id', ID, nullable=False),
    sa.Column('document', sa.LargeBinary(), nullable=False),
    sa.ForeignKeyConstraint(['scan_id'], ['scan.id'], name=op.f('fk_header_dictionary_scan_id_scan'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('scan_id', name=op.f('pk_header_dictionary'))
    )
    op.create_table('header',
    sa.Column('instance_id', ID, nullable=False),
    sa.Column('document', sa.LargeBinary(), nullable=False),
    sa.ForeignKeyConstraint(['instance_id'], ['instance.id'], name=op.f('fk_header_instance_id_instance'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('instance_id', name=op.f('pk_header'))
    )
    with op.batch_alter_table('instance', schema=None) as batch_op:
        batch_op.add_column(sa.Column('Rows', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('Columns', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('BitsAllocated', sa.Integer(), nullable=True))
        batch_op.drop_index(batch_op.f('ix_instance_scan_id'))
        batch_op.create_index(batch_op.f('ix_instance_scan_id_id'), ['scan_id', 'id'], unique=False)

    with op.batch_alter_table('scan', schema=None) as batch_op:
        batch_op.add_column(sa.Column('BodyPartExamined', sa.String(length=16), server_default='', nullable=False))
        batch_op.add_column(sa.Column('PerformedProcedureStepStartDate', sa.String(length=8), server_default='', nullable=False))
        batch_op.add_column(sa.Column('PerformedProcedureStepStartTime', sa.String(length=16), server_default='', nullable=False))
        batch_op.add_column(sa.Column('ScheduledProcedureStepID', sa.String(length=16), server_default='', nullable=False))
        batch_op.add_column(sa.Column('RequestedProcedureID', sa.String(length=16), server_default='', nullable=False))
        batch_op.drop_index(batch_op.f('ix_scan_session_id'))
        batch_op.create_index(batch_op.f('ix_scan_project_id_BodyPartExamined_id'), ['project_id', 'BodyPartExamined', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_scan_project_id_Modality_id'), ['project_id', 'Modality', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_scan_project_id_PerformedProcedureStepStartDate_id'), ['project_id', 'PerformedProcedureStepStartDate', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_scan_project_id_id'), ['project_id', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_scan_session_id_id'), ['session_id', 'id'], unique=False)

    with op.batch_alter_table('session', schema=None) as batch_op:
        batch_op.add_column(sa.Column('StudyTime', sa.String(length=16), server_default='', nullable=False))
        batch_op.add_column(sa.Column('AccessionNumber', sa.String(length=16), server_default='', nullable=False))
        batch_op.add_column(sa.Column('ReferringPhysicianName', sa.String(length=64), server_default='', nullable=False))
        batch_op.add_column(sa.Column('StudyID', sa.String(length=16), server_default='', nullable=False))
        batch_op.add_column(sa.Column('PatientName', sa.String(length=64), server_default='', nullable=False))
        batch_op.add_column(sa.Column('PatientBirthDate', sa.String(length=8), server_default='', nullable=False))
        batch_op.add_column(sa.Column('PatientSex', sa.String(length=16), server_default='', nullable=False))
        batch_op.create_index(batch_op.f('ix_session_project_id_AccessionNumber_id'), ['project_id', 'AccessionNumber', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_session_project_id_PatientName_id'), ['project_id', 'PatientName', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_session_project_id_ReferringPhysicianName_id'), ['project_id', 'ReferringPhysicianName', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_session_project_id_StudyDate_id'), ['project_id', 'StudyDate', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_session_project_id_StudyID_id'), ['project_id', 'StudyID', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_session_project_id_id'), ['project_id', 'id'], unique=False)

