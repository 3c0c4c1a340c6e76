"""What the alerts are made on, read off the cluster as the watches have seen it (spec 9).

Computed when somebody asks, so there is no number that could be forgotten when its object goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Object
from cdi_operator.flows.view import View
from cdi_operator.storage.capabilities import capabilities_of
from cdi_operator.storage.classes import default_class

UNDECIDED = ("", "Pending")
"""Phases of a DataVolume for which no volume is being made yet."""
SINGLE = "SingleReplica"


@dataclass(frozen=True)
class ProfileInfo:
    """One StorageProfile, as the labels of its metric."""

    storageclass: str
    provisioner: str
    complete: bool
    """What it offers is known, or nobody expects anything of it."""
    default: bool
    virtdefault: bool
    rwx: bool
    smartclone: bool
    """A volume can be cloned by its storage, and the cluster has what that needs."""
    degraded: bool
    """Virtual machines on it cannot be cloned fast, or not be migrated while they run."""


def profile_infos(view: View) -> Iterator[ProfileInfo]:
    migratable = not _one_node(view)
    for profile in view.all("StorageProfile"):
        found = view.get("StorageClass", profile["metadata"]["name"])
        if found is not None:
            yield _info(view, found, profile.get("status") or {}, migratable)


def _info(view: View, storage_class: Object, told: Object, migratable: bool) -> ProfileInfo:
    provisioner = storage_class["provisioner"]
    marks = storage_class["metadata"].get("annotations") or {}
    sets = told.get("claimPropertySets") or ()
    known = bool(sets) and all(each.get("accessModes") and each.get("volumeMode") for each in sets)
    rwx = any("ReadWriteMany" in (each.get("accessModes") or ()) for each in sets)
    smart = _smart(view, told.get("cloneStrategy"), provisioner)
    return ProfileInfo(
        storageclass=storage_class["metadata"]["name"],
        provisioner=provisioner,
        complete=known or not capabilities_of(provisioner, storage_class.get("parameters")).supported,
        default=marks.get(names.DEFAULT_CLASS) == "true",
        virtdefault=marks.get(names.DEFAULT_VIRT_CLASS) == "true",
        rwx=rwx,
        smartclone=smart,
        degraded=not smart or (migratable and not rwx),
    )


def _smart(view: View, strategy: str | None, provisioner: str) -> bool:
    if strategy == "csi-clone":
        return view.get("CSIDriver", provisioner) is not None
    return strategy == "snapshot" and any(each["driver"] == provisioner for each in view.all("VolumeSnapshotClass"))


def _one_node(view: View) -> bool:
    """OpenShift on a single node, where nothing can migrate anyway."""
    told = (view.get("Infrastructure", "cluster") or {}).get("status") or {}
    return all(told.get(part) == SINGLE for part in ("controlPlaneTopology", "infrastructureTopology"))


def waiting_for_default_class(view: View) -> int:
    """DataVolumes that name no class while no class is the default."""
    classes = tuple(view.all("StorageClass"))
    undecided = (volume for phase in UNDECIDED for volume in view.by("DataVolume", "phase", phase))
    return sum(default_class(classes, _for_disk(volume)) is None for volume in undecided if not _names_class(volume))


def _names_class(volume: Object) -> bool:
    spec = volume["spec"]
    return (spec.get("storage") or spec.get("pvc") or {}).get("storageClassName") is not None


def _for_disk(volume: Object) -> bool:
    return bool(volume["spec"].get("contentType") != "archive")
