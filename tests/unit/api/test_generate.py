"""crds/ is what the models say, and CI hears of it when it is not."""

import sys

import pytest
import yaml

from cdi_operator.api import generate
from cdi_operator.api.crd import KINDS, crd


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["generate", *map(str, arguments)])
    return generate.main()


def test_the_checkout_is_up_to_date(monkeypatch):
    assert run(monkeypatch, "--check") == 0


def test_written_files_are_the_definitions(monkeypatch, tmp_path):
    assert run(monkeypatch, "--directory", tmp_path) == 0
    written = [yaml.load(path.read_text(), Loader=yaml.CSafeLoader) for path in sorted(tmp_path.iterdir())]
    assert written == sorted(map(crd, KINDS), key=lambda each: (each["spec"]["group"], each["spec"]["names"]["plural"]))


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda path: (path / "cdi.kubevirt.io_cdis.yaml").unlink(), "cdi.kubevirt.io_cdis.yaml"),
        (lambda path: (path / "cdi.kubevirt.io_cdis.yaml").write_text("kind: Other"), "cdi.kubevirt.io_cdis.yaml"),
        (lambda path: (path / "cdi.kubevirt.io_leftovers.yaml").write_text(""), "cdi.kubevirt.io_leftovers.yaml"),
    ],
    ids=["missing", "changed", "left over"],
)
def test_a_difference_fails_the_check_and_is_mended(monkeypatch, tmp_path, capsys, spoil, named):
    run(monkeypatch, "--directory", tmp_path)
    spoil(tmp_path)
    assert run(monkeypatch, "--directory", tmp_path, "--check") == 1
    assert f"{named} is not what the models say: run `make generate`" in capsys.readouterr().err
    assert run(monkeypatch, "--directory", tmp_path) == 0
    assert run(monkeypatch, "--directory", tmp_path, "--check") == 0
