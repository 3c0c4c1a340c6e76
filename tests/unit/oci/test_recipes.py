"""An image is named by what it is made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from devcluster.layout import CHECKOUT
from oci import recipes
from oci.recipes import RECIPES, Recipe


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    monkeypatch.setattr(recipes, "CHECKOUT", tmp_path)
    (tmp_path / "code" / "__pycache__").mkdir(parents=True)
    (tmp_path / "Containerfile").write_text("FROM scratch")
    (tmp_path / "code" / "a.py").write_text("a")
    (tmp_path / "pyproject.toml").write_text('version = "1.2.3"\n')
    return Recipe("image", "Containerfile", ("code",))


@pytest.mark.parametrize(
    ("path", "content", "another"),
    [
        ("code/a.py", "a", False),
        ("code/a.py", "b", True),
        ("code/b.py", "", True),
        ("Containerfile", "FROM debian", True),
        ("code/__pycache__/a.pyc", "b", False),
        ("elsewhere.py", "b", False),
    ],
)
def test_another_content_is_another_name(
    recipe: Recipe, tmp_path: Path, path: str, content: str, another: bool
) -> None:
    before = Recipe(recipe.name, recipe.containerfile, recipe.inputs).reference
    (tmp_path / path).write_text(content)
    assert (recipe.reference != before) is another
    assert recipe.reference.startswith("localhost/image:v1.2.3-")


def test_a_file_that_moves_is_another_name(recipe: Recipe, tmp_path: Path) -> None:
    before = Recipe(recipe.name, recipe.containerfile, recipe.inputs).digest
    (tmp_path / "code" / "a.py").rename(tmp_path / "code" / "b.py")
    assert recipe.digest != before


@pytest.mark.parametrize("name", RECIPES)
def test_every_input_is_there(name: str) -> None:
    for entry in (RECIPES[name].containerfile, *RECIPES[name].inputs):
        assert (CHECKOUT / entry).exists()
