"""This tier takes seconds: property tests look at few examples, new ones every time, and the thousands of tests that
were collected are nothing that the garbage collector need look through again and again."""

from __future__ import annotations

import gc

from hypothesis import settings

settings.register_profile("seconds", max_examples=30, deadline=None)
settings.load_profile("seconds")


def pytest_collection() -> None:
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()
