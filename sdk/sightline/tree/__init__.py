"""The tree of immutable steps."""
