"""The trained weights that ship with the package, and their card."""
