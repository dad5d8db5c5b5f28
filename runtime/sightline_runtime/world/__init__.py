"""The procedural world of shapes that the embedded model lives in."""
