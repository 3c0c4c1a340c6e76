"""What is done to a good image: a few changes, most of them to numbers that mean something. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from tests.fuzz.places import SECTOR, Place, seal
from tests.fuzz.seeds import Seed

MOST = 3
"""Changes to one image: more of them only hide each other."""
HEAD = 40
"""So many places are those of headers."""


def mutated(seed: Seed, others: Sequence[Seed], chance: Random) -> bytes:
    """`others`: seeds of the same format, to splice with."""
    content = bytearray(seed.content)
    for _ in range(chance.randint(1, MOST)):
        match chance.choices(("number", "bit", "copy", "byte", "move", "splice", "cut"), (9, 4, 3, 2, 2, 1, 1))[0]:
            case "number":
                place = _place(seed, chance)
                place.write(content, _number(place.read(content), place, content, chance))
            case "bit":
                place = _place(seed, chance)
                place.write(content, place.read(content) ^ 1 << chance.randrange(8 * place.width))
            case "copy":
                _place(seed, chance).write(content, _place(seed, chance).read(content))
            case "byte" if content:
                content[chance.randrange(len(content))] = chance.randrange(256)
            case "move":
                _move(content, chance)
            case "splice":
                other = chance.choice(others).content
                at = chance.randrange(min(len(content), len(other)) // SECTOR + 1) * SECTOR
                content[at:] = other[at:]
            case "cut":
                edge = _place(seed, chance).offset if chance.random() < 0.6 else chance.randrange(len(content) + 1)
                del content[edge + chance.choice((0, 0, -1, 1, 7, SECTOR)) :]
    if chance.random() < 0.85:
        seal(seed.form, content)
    return bytes(content)


def _place(seed: Seed, chance: Random) -> Place:
    """Half of them in headers, however large the tables are."""
    return chance.choice(seed.places[:HEAD] if chance.random() < 0.5 else seed.places)


def _number(old: int, place: Place, content: bytearray, chance: Random) -> int:
    """One that is likely to be wrong in an interesting way."""
    bits = 8 * place.width
    return chance.choice(
        (
            0,
            1,
            (1 << bits) - 1,
            1 << chance.randrange(bits),
            (1 << chance.randrange(bits)) - 1,
            old + 1,
            old - 1,
            old * 2,
            old // 2,
            old + chance.choice((-1, 1)) * (SECTOR << chance.randrange(12)),
            len(content),
            len(content) // SECTOR,
            chance.getrandbits(bits),
            chance.getrandbits(min(bits, 8)),
        )
    )


def _move(content: bytearray, chance: Random) -> None:
    """Some sectors over others, so that tables stand where data was and the other way round."""
    sectors = len(content) // SECTOR
    if sectors:
        source, target = chance.randrange(sectors) * SECTOR, chance.randrange(sectors) * SECTOR
        length = min(chance.choice((1, 2, 8, 128)) * SECTOR, len(content) - max(source, target))
        content[target : target + length] = content[source : source + length]
