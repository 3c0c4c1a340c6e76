"""Reads what `plan` needs to know about one StorageClass. The key is its name, which is the profile's too."""

from __future__ import annotations

from cdi_operator.api import annotations as names
from cdi_operator.flows import installation
from cdi_operator.flows.actions import Object, Ref
from cdi_operator.flows.seen import Key
from cdi_operator.flows.storageprofile.state import Class, Profile, SnapshotClass, State
from cdi_operator.flows.view import View
from cdi_operator.storage.capabilities import Modes
from cdi_operator.storage.capability_table import NO_PROVISIONER

_ACCESS_MODES = ("ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod", "ReadOnlyMany")
_VOLUME_MODES = ("Block", "Filesystem")


def observe(view: View, key: Key) -> State | None:
    _, name = key
    found, known = view.get("StorageClass", name), view.get("StorageProfile", name)
    if found is None and known is None:
        return None
    storage_class = _class(found) if found else None
    return State(
        storage_class=storage_class,
        profile=_profile(known) if known else None,
        snapshot_classes=_snapshot_classes(view, storage_class) if storage_class else (),
        volume_modes=_volume_modes(view, storage_class) if storage_class else (),
        owner=installation.owner(view),
    )


def _class(found: Object) -> Class:
    return Class(
        name=found["metadata"]["name"],
        provisioner=found["provisioner"],
        parameters=found.get("parameters") or {},
        annotations=found["metadata"].get("annotations") or {},
    )


def _profile(known: Object) -> Profile:
    return Profile(
        object=known,
        ref=Ref.of({"apiVersion": names.API_VERSION, "kind": "StorageProfile", **known}),
        spec=known.get("spec") or {},
        status=known.get("status") or {},
        deleting="deletionTimestamp" in known["metadata"],
    )


def _snapshot_classes(view: View, storage_class: Class) -> tuple[SnapshotClass, ...]:
    """Those of the same driver: the default first, then by name (spec 4.4)."""
    own = (each for each in view.all("VolumeSnapshotClass") if each["driver"] == storage_class.provisioner)
    return tuple(sorted(map(_snapshot_class, own), key=lambda each: (not each.default, each.name)))


def _snapshot_class(found: Object) -> SnapshotClass:
    annotations = found["metadata"].get("annotations") or {}
    return SnapshotClass(
        name=found["metadata"]["name"],
        parameters=found.get("parameters") or {},
        default=annotations.get(names.DEFAULT_SNAPSHOT_CLASS) == "true",
    )


def _volume_modes(view: View, storage_class: Class) -> tuple[Modes, ...]:
    """What the volumes made by hand offer, each pair of modes once, the most sharing first.

    The reference leaves the order to chance, and with it what a claim asks for that names no modes.
    """
    if storage_class.provisioner != NO_PROVISIONER:
        return ()
    own = (each["spec"] for each in view.all("PersistentVolume"))
    offered = {
        Modes(access_mode, spec.get("volumeMode") or "Filesystem")
        for spec in own
        if spec.get("storageClassName") == storage_class.name
        for access_mode in spec.get("accessModes") or ()
    }
    return tuple(sorted(offered, key=_preference))


def _preference(modes: Modes) -> tuple[int, int]:
    return _ACCESS_MODES.index(modes.access_mode), _VOLUME_MODES.index(modes.volume_mode)
