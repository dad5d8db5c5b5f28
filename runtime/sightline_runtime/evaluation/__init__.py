"""Scores: what a model can do, measured on pixels and answers."""
