"""What rows must pass before anybody trains on them, one small file for each kind of fault.

Gates against leaks stop an export; the others say what is to be known.
"""
