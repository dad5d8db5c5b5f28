"""Reasoning over pictures: claims checked, goals pursued, plans run, on the tree of a session."""
