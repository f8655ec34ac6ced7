"""The records: one connection pool, one transaction at a time, and what SQLite needs to be trusted."""
