"""The BLIP3-o architecture: one set of classes for every checkpoint."""
