"""The worker: source -> decoder -> target, in one pass."""
