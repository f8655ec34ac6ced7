"""Numbered migrations, plain Alembic: each touches one thing and works while the previous release still runs."""
