"""files beside the images, consents, prearchive"""

import sqlalchemy as sa
from alembic import op

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('consent',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('project_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('reference', sa.String(length=64), nullable=False),
    sa.Column('scope', sa.String(length=32), nullable=False),
    sa.Column('holder', sa.String(length=64), nullable=False),
    sa.Column('date', sa.String(length=10), nullable=False),
    sa.Column('by', sa.String(length=64), nullable=False),
    sa.Column('created', sa.String(length=32), nullable=False),
    sa.Column('withdrawn', sa.String(length=32), server_default='', nullable=False),
    sa.ForeignKeyConstraint(['project_id'], ['project.id'], name=op.f('fk_consent_project_id_project')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_consent')),
    sa.UniqueConstraint('project_id', 'reference', name=op.f('uq_consent_project_id_reference'))
    )
    op.create_table('prearchive',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('project_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.Column('key_id', sa.BigInteger(), nullable=True),
    sa.Column('by', sa.String(length=64), nullable=False),
    sa.Column('created', sa.String(length=32), nullable=False),
    sa.Column('expires', sa.String(length=32), nullable=False),
    sa.ForeignKeyConstraint(['project_id'], ['project.id'], name=op.f('fk_prearchive_project_id_project')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_prearchive'))
    )
    with op.batch_alter_table('prearchive', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_prearchive_expires'), ['expires'], unique=False)
        batch_op.create_index(batch_op.f('ix_prearchive_project_id_id'), ['project_id', 'id'], unique=False)

    op.create_table('consent_viewer',
    sa.Column('consent_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('by', sa.String(length=64), nullable=False),
    sa.Column('since', sa.String(length=32), nullable=False),
    sa.ForeignKeyConstraint(['consent_id'], ['consent.id'], name=op.f('fk_consent_viewer_consent_id_consent'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_consent_viewer_user_id_user'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('consent_id', 'user_id', name=op.f('pk_consent_viewer'))
    )
    with op.batch_alter_table('consent_viewer', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_consent_viewer_user_id'), ['user_id'], unique=False)

    op.create_table('resource',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('project_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('level', sa.String(length=8), nullable=False),
    sa.Column('subject_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('session_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('scan_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('label', sa.String(length=64), nullable=False),
    sa.Column('consent_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('by', sa.String(length=64), nullable=False),
    sa.Column('created', sa.String(length=32), nullable=False),
    sa.ForeignKeyConstraint(['consent_id'], ['consent.id'], name=op.f('fk_resource_consent_id_consent')),
    sa.ForeignKeyConstraint(['project_id'], ['project.id'], name=op.f('fk_resource_project_id_project')),
    sa.ForeignKeyConstraint(['scan_id'], ['scan.id'], name=op.f('fk_resource_scan_id_scan'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['session_id'], ['session.id'], name=op.f('fk_resource_session_id_session'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['subject_id'], ['subject.id'], name=op.f('fk_resource_subject_id_subject'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_resource'))
    )
    with op.batch_alter_table('resource', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_resource_consent_id'), ['consent_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_resource_project_id_level'), ['project_id', 'level'], unique=False)
        batch_op.create_index(batch_op.f('ix_resource_scan_id'), ['scan_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_resource_session_id'), ['session_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_resource_subject_id'), ['subject_id'], unique=False)

    op.create_table('resource_file',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('resource_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('project_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.Column('key_id', sa.BigInteger(), nullable=True),
    sa.Column('media_type', sa.String(length=64), nullable=False),
    sa.Column('admitted', sa.String(length=16), nullable=False),
    sa.Column('site', sa.String(length=64), nullable=False),
    sa.Column('by', sa.String(length=64), nullable=False),
    sa.Column('created', sa.String(length=32), nullable=False),
    sa.ForeignKeyConstraint(['project_id'], ['project.id'], name=op.f('fk_resource_file_project_id_project')),
    sa.ForeignKeyConstraint(['resource_id'], ['resource.id'], name=op.f('fk_resource_file_resource_id_resource'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_resource_file')),
    sa.UniqueConstraint('resource_id', 'name', 'version', name=op.f('uq_resource_file_resource_id_name_version'))
    )
    with op.batch_alter_table('resource_file', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_resource_file_project_id_digest'), ['project_id', 'digest'], unique=False)

