"""Measurements that a user can repeat, taken where a user stands."""
