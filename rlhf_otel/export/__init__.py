"""Delivery: from ended calls and given feedback to a backend or the embedded store. Start reading in `setup`."""
