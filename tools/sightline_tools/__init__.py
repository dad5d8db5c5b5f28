"""Typed tools over image references."""
