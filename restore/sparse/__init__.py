"""Sparse coding of what was measured of a picture."""
