"""Alembic's way in: runs the revisions on the connection that `feedback_database` hands over,
inside its transaction."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=False)
context.run_migrations()
