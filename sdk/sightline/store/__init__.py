"""Rows and objects on disk: SQLite and content-addressed files."""
