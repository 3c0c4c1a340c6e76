"""The cache keeps the newest of what arrives in any order, and finds it by every index."""

from __future__ import annotations

from typing import Any

import pytest

from cdi_operator.cluster.cache import TOMBSTONES, Cache
from cdi_operator.flows.transfer import Reading

Claim = dict[str, Any]


def claim(name: str = "disk", uid: str = "u1", version: int = 1, **spec: Any) -> Claim:
    meta = {"name": name, "namespace": "ns", "uid": uid, "resourceVersion": str(version)}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec}


def seen(cache: Cache) -> tuple[str, str] | None:
    """uid and version of what readers see."""
    found = cache.get("PersistentVolumeClaim", "disk", "ns")
    return (found["metadata"]["uid"], found["metadata"]["resourceVersion"]) if found else None


@pytest.mark.parametrize(
    ("arrivals", "wanted"),
    [
        # what arrives, in this order                                   what is seen in the end
        ([("put", "u1", 1)], ("u1", "1")),
        ([("put", "u1", 1), ("put", "u1", 2)], ("u1", "2")),
        ([("put", "u1", 10), ("put", "u1", 9)], ("u1", "10")),  # numbers, not texts
        ([("put", "u1", 1), ("forget", "u1", 2)], None),
        ([("put", "u1", 1), ("forget", "u1", 2), ("put", "u1", 1)], None),  # a late answer about the dead
        ([("forget", "u1", 2), ("put", "u1", 1)], None),  # the deletion was seen first
        ([("put", "u1", 1), ("put", "u2", 5)], ("u2", "5")),  # made anew, the deletion was not seen
        ([("put", "u1", 1), ("put", "u2", 5), ("forget", "u1", 4)], ("u2", "5")),  # the deletion comes late
        ([("put", "u1", 1), ("put", "u2", 5), ("put", "u1", 9)], ("u2", "5")),  # the replaced one is dead
    ],
)
def test_the_newest_wins(arrivals: list[tuple[str, str, int]], wanted: tuple[str, str] | None) -> None:
    cache = Cache()
    for what, uid, version in arrivals:
        (cache.put if what == "put" else cache.forget)(claim(uid=uid, version=version))
    assert seen(cache) == wanted


def test_listeners_hear_of_changes_only() -> None:
    cache, heard = Cache(), list[str]()
    cache.subscribe(lambda obj: heard.append(obj["metadata"]["resourceVersion"]))
    assert cache.put(claim(version=1))
    assert not cache.put(claim(version=1)), "the watch brings what our own write had brought"
    assert cache.put(claim(version=2))
    assert cache.forget(claim(version=3))
    assert not cache.forget(claim(version=3))
    assert heard == ["1", "2", "2"]


def test_a_relist_forgets_what_it_lacks_but_not_what_is_newer() -> None:
    cache = Cache()
    cache.put(claim("listed", "u1", 5))
    cache.put(claim("vanished", "u2", 6))
    cache.put(claim("made-after-the-list", "u3", 12))
    cache.retain("PersistentVolumeClaim", ["u1"], "10")
    assert {obj["metadata"]["name"] for obj in cache.all("PersistentVolumeClaim")} == {"listed", "made-after-the-list"}


def test_what_nobody_reads_is_not_kept() -> None:
    cache = Cache()
    fat = claim()
    fat["metadata"] |= {
        "managedFields": [{"manager": "kubectl"}],
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "keep": "this"},
    }
    cache.put(fat)
    meta = cache.get("PersistentVolumeClaim", "disk", "ns")["metadata"]  # type: ignore[index]
    assert meta["annotations"] == {"keep": "this"}
    assert "managedFields" not in meta
    assert "managedFields" in fat["metadata"], "what was put is not changed"


def test_tombstones_are_bounded() -> None:
    cache = Cache()
    for number in range(TOMBSTONES + 1):
        cache.forget(claim(uid=f"u{number}"))
    assert cache.put(claim(uid="u0"))
    assert not cache.put(claim(uid="u1"))


def test_progress_ends_with_the_pod() -> None:
    cache = Cache()
    meta = {"name": "importer", "namespace": "ns", "uid": "p", "resourceVersion": "1"}
    pod = {"kind": "Pod", "metadata": meta, "spec": {"containers": []}}
    cache.put(pod)
    cache.measured(pod, Reading(42.0))
    assert cache.progress("p") == Reading(42.0)
    cache.forget(pod)
    assert cache.progress("p") is None
    cache.measured(pod, Reading(43.0))
    assert cache.progress("p") is None, "the answer came after the pod was gone"


def test_an_index_follows_its_object() -> None:
    cache = Cache()

    def names(phase: str) -> list[str]:
        return [obj["metadata"]["name"] for obj in cache.by("DataVolume", "phase", phase)]

    volume: dict[str, Any] = {
        "kind": "DataVolume",
        "metadata": {"name": "a", "namespace": "ns", "uid": "d", "resourceVersion": "1"},
    }
    cache.put(volume)
    assert (names(""), names("Succeeded")) == (["a"], [])
    cache.put({**volume, "metadata": {**volume["metadata"], "resourceVersion": "2"}, "status": {"phase": "Succeeded"}})
    assert (names(""), names("Succeeded")) == ([], ["a"])
    cache.forget(volume)
    assert names("Succeeded") == []


def test_an_unknown_index_is_an_error_and_not_an_empty_answer() -> None:
    with pytest.raises(KeyError):
        Cache().by("DataVolume", "colour", "red")
