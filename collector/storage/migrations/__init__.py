"""Alembic's migrations, one file per revision; ``run.upgrade`` runs them inside a transaction of the caller."""
