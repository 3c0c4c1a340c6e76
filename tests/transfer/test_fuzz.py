"""A few seconds of `make fuzz`, with the same images each time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import pytest

from tests.fuzz.__main__ import cases
from tests.fuzz.judge import FOUND, SAME, judged
from tests.fuzz.seeds import CODECS, MAKE, Seed, seeds_of


@pytest.fixture(scope="module", params=MAKE)
def seeds(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sequence[Seed]:
    return seeds_of(request.param, tmp_path_factory.mktemp("seeds"))


def test_good_images_are_good_seeds(seeds: Sequence[Seed], tmp_path: Path) -> None:
    assert [judged(seed.form, seed.content, tmp_path).outcome for seed in seeds] == [SAME] * len(seeds)


def test_broken_images_end_as_with_qemu(seeds: Sequence[Seed], tmp_path: Path) -> None:
    form = seeds[0].form
    for _, case, content in islice(cases({form: seeds}, 1), 2 if form in CODECS else 6):
        verdict = judged(form, content, tmp_path)
        assert verdict.outcome != FOUND, f"{case}: {verdict.cause}"
