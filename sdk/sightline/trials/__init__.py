"""Trials: how well a session reasons, on held-out scenes of the world, judged from pixels and truth."""
