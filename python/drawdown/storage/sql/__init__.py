"""The control plane's truth: a SQL database, SQLite in the data folder or PostgreSQL by URL.

The only room that imports SQLAlchemy. ``Database`` opens it and brings its schema up to date;
``Work`` is one transaction with every repository in it.
"""

from drawdown.storage.sql.database import SqlDatabase, open_sql
from drawdown.storage.sql.work import Work

__all__ = ["SqlDatabase", "Work", "open_sql"]
