"""Strategies: ways to pursue a goal, one a file, made to be put into one another."""
