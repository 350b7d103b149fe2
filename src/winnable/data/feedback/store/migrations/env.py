"""Alembic's entry point: runs the revisions on the connection, and in the transaction, that
`winnable.data.feedback.store.database` passes."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=False)
context.run_migrations()
