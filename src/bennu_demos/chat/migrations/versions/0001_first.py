"""The tables of the first version."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("password", sa.String(), nullable=False),
        sa.Column("is_moderator", sa.Boolean(), nullable=False),
        sa.Column("blocked_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("accounts_pkey")),
        sa.UniqueConstraint("key", name=op.f("accounts_key_key")),
    )
    op.create_table(
        "settings",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("settings_pkey")),
    )
    op.create_table(
        "logins",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("logins_account_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("logins_pkey")),
        sa.UniqueConstraint("token", name=op.f("logins_token_key")),
    )
    op.create_index(op.f("logins_account_id"), "logins", ["account_id"], unique=False)
    op.create_table(
        "rooms",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("members", sa.String(), nullable=True),
        sa.Column("owner_id", sa.Integer(), nullable=True),
        sa.Column("last_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["accounts.id"], name=op.f("rooms_owner_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("rooms_pkey")),
        sa.UniqueConstraint("members", name=op.f("rooms_members_key")),
        sa.UniqueConstraint("name", name=op.f("rooms_name_key")),
    )
    op.create_table(
        "memberships",
        sa.Column("room_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("last_read", sa.Integer(), nullable=False),
        sa.Column("muted_until", sa.BigInteger(), nullable=False),
        sa.Column("barred_until", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("memberships_account_id_fkey")
        ),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f("memberships_room_id_fkey")),
        sa.PrimaryKeyConstraint("room_id", "account_id", name=op.f("memberships_pkey")),
    )
    op.create_index(op.f("memberships_account_id"), "memberships", ["account_id"], unique=False)
    op.create_table(
        "messages",
        sa.Column("room_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column("edited_at", sa.BigInteger(), nullable=True),
        sa.Column("removed_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("messages_account_id_fkey")
        ),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f("messages_room_id_fkey")),
        sa.PrimaryKeyConstraint("room_id", "id", name=op.f("messages_pkey")),
        sa.UniqueConstraint("account_id", "key", name=op.f("messages_account_id_key")),
    )
    op.create_table(
        "notifications",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("room", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("read_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("notifications_account_id_fkey")
        ),
        sa.ForeignKeyConstraint(["room"], ["rooms.name"], name=op.f("notifications_room_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("notifications_pkey")),
    )
    op.create_index(op.f("notifications_account_id"), "notifications", ["account_id"], unique=False)
    op.create_table(
        "visits",
        sa.Column("room", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["room"], ["rooms.name"], name=op.f("visits_room_fkey")),
        sa.PrimaryKeyConstraint("room", "name", name=op.f("visits_pkey")),
    )
    op.create_index("visits_of_room", "visits", ["room", "seen_at"], unique=False)


def downgrade() -> None:
    op.drop_index("visits_of_room", table_name="visits")
    op.drop_table("visits")
    op.drop_index(op.f("notifications_account_id"), table_name="notifications")
    op.drop_table("notifications")
    op.drop_table("messages")
    op.drop_index(op.f("memberships_account_id"), table_name="memberships")
    op.drop_table("memberships")
    op.drop_table("rooms")
    op.drop_index(op.f("logins_account_id"), table_name="logins")
    op.drop_table("logins")
    op.drop_table("settings")
    op.drop_table("accounts")
