"""A claim completed from what the storage can do: class, modes, and room for the filesystem (spec 4.7).

What is asked for is in the words of `spec.storage` of a DataVolume, which are those of a claim's spec. Two ask: the
DataVolume flow for the claim that it makes, and the webhook for a claim with the label applyStorageProfile (spec 4.8).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Object
from cdi_operator.flows.defaults import Defaults, defaults, storage_class
from cdi_operator.flows.seen import Claim, StorageClass
from cdi_operator.flows.view import View
from cdi_operator.storage.classes import choose_class
from cdi_operator.storage.quantity import QuantityError, parse_quantity
from cdi_operator.storage.sizes import MIB, at_least, required_bytes

NO_CLASS = "PVC spec is missing accessMode and no storageClass to choose profile"


class InvalidClaimError(Exception):
    """No claim can be made of what is asked for. The message is the user's; `more` are further events."""

    def __init__(self, message: str, *more: str) -> None:
        super().__init__(message)
        self.more = more


@dataclass(frozen=True)
class PropertySet:
    """One row of a StorageProfile: modes that the storage can do together, in order of preference (spec 1.4)."""

    access_modes: tuple[str, ...]
    volume_mode: str


@dataclass(frozen=True)
class FreeVolume:
    """A volume made by hand that nobody has claimed."""

    name: str
    storage_class: str
    modes: PropertySet
    capacity_bytes: int


@dataclass(frozen=True)
class Profile:
    """What a StorageProfile advises."""

    property_sets: tuple[PropertySet, ...] = ()
    minimum_size: str = ""


@dataclass(frozen=True)
class Offer:
    """What the cluster has for a claim of one storage class."""

    storage_class: StorageClass | None
    """The class that is asked for, or the default; None when there is no such class."""
    profile: Profile
    free_volumes: tuple[FreeVolume, ...]
    """The available volumes of the class that is asked for, when no such class object exists."""
    defaults: Defaults


# Looking ------------------------------------------------------------------------------------------------------------


def wanted_class(view: View, asked: Mapping[str, Any], content_type: str) -> str:
    """The class that is asked for, else the default; empty when there is none."""
    name = asked.get("storageClassName")
    if name is not None:
        return str(name)
    found = choose_class(view.all("StorageClass"), None, for_disk=content_type == "kubevirt")
    return str(found["metadata"]["name"]) if found else ""


def offer(view: View, class_name: str, claim: Claim | None = None) -> Offer:
    """`claim`: the one that is there already, which may know of a migration of its class."""
    kind = storage_class(view, class_name, claim)
    return Offer(
        storage_class=kind,
        profile=profile(view.get("StorageProfile", class_name)) if kind else Profile(),
        free_volumes=() if kind else free_volumes(view.by("PersistentVolume", "class", class_name)),
        defaults=defaults(view),
    )


def profile(obj: Object | None) -> Profile:
    if obj is None:
        return Profile()
    rows = (obj.get("status") or {}).get("claimPropertySets") or ()
    notes = obj["metadata"].get("annotations") or {}
    return Profile(
        property_sets=tuple(PropertySet(tuple(row.get("accessModes") or ()), row["volumeMode"]) for row in rows),
        minimum_size=notes.get(names.MINIMUM_PVC_SIZE, ""),
    )


def free_volumes(volumes: Iterable[Object]) -> tuple[FreeVolume, ...]:
    """Those that may still be bound: what a claim of a class without a class object gets (spec 4.7 step 2), and what
    was made for one claim (spec 2.2 step 6).
    """
    return tuple(
        FreeVolume(
            name=volume["metadata"]["name"],
            storage_class=volume["spec"].get("storageClassName") or "",
            modes=PropertySet(tuple(volume["spec"]["accessModes"]), volume["spec"].get("volumeMode", "Filesystem")),
            capacity_bytes=parse_quantity(volume["spec"]["capacity"]["storage"]),
        )
        for volume in volumes
        if (volume.get("status") or {}).get("phase") == "Available"
    )


# Deciding -----------------------------------------------------------------------------------------------------------


def rendered(asked: Mapping[str, Any], content_type: str, offered: Offer) -> dict[str, Any]:
    """The spec of a claim; `InvalidClaimError` when too little is said, or something impossible."""
    size = parse_size(asked)
    modes = chosen_modes(asked, content_type, size, offered)
    name = class_name(asked, offered)
    resources = asked["resources"]
    request = str(resources["requests"]["storage"])
    if modes.volume_mode == "Filesystem" and not restores_snapshot(asked):
        request = str(required_bytes(size, offered.defaults.overhead(name)))
    requests = {**resources["requests"], "storage": at_least(request, offered.profile.minimum_size)}
    return {
        **asked,
        "accessModes": list(modes.access_modes),
        "volumeMode": modes.volume_mode,
        "resources": {**resources, "requests": requests},
        **({"storageClassName": name} if name else {}),
    }


def restores_snapshot(asked: Mapping[str, Any]) -> bool:
    """Such a volume is as large as the one that was snapshot; some storage refuses another size."""
    return "VolumeSnapshot" in ((asked.get(key) or {}).get("kind") for key in ("dataSource", "dataSourceRef"))


def class_name(asked: Mapping[str, Any], offered: Offer) -> str:
    given = asked.get("storageClassName")
    if given is not None:
        return str(given)
    return offered.storage_class.name if offered.storage_class else ""


def chosen_modes(asked: Mapping[str, Any], content_type: str, size_bytes: int, offered: Offer) -> PropertySet:
    access_modes = tuple(asked.get("accessModes") or ())
    volume_mode = asked.get("volumeMode") or ""
    if content_type == "archive":
        if volume_mode == "Block":
            raise InvalidClaimError("ContentType Archive cannot have block volumeMode")
        volume_mode = "Filesystem"
    if access_modes and volume_mode:
        return PropertySet(access_modes, volume_mode)
    kind = offered.storage_class
    if kind is None:
        wanted = asked.get("storageClassName")
        return modes_of_free_volume(offered.free_volumes, wanted, access_modes, volume_mode, size_bytes)
    if found := first_match(offered.profile.property_sets, access_modes, volume_mode):
        return PropertySet(access_modes or found.access_modes, volume_mode or found.volume_mode)
    if access_modes:
        preferred = (row.volume_mode for row in offered.profile.property_sets)
        return PropertySet(access_modes, next(preferred, "Filesystem"))
    matching = "matching " if offered.profile.property_sets else ""
    missing = "accessMode and" if volume_mode else "accessMode and volumeMode,"
    raise InvalidClaimError(
        f"no {matching}accessMode specified in StorageProfile {kind.name}",
        f"Spec is missing {missing} cannot get access mode from StorageProfile {kind.name}",
    )


def modes_of_free_volume(
    volumes: tuple[FreeVolume, ...],
    class_name: str | None,
    access_modes: tuple[str, ...],
    volume_mode: str,
    size_bytes: int,
) -> PropertySet:
    """Without a class, a volume made by hand may still do, if it is said which: by class name or by a mode."""
    if class_name is not None or access_modes or volume_mode:
        large_enough = (
            volume.modes
            for volume in volumes
            if volume.capacity_bytes >= size_bytes and {*access_modes} <= {*volume.modes.access_modes}
        )
        if found := first_match(large_enough, access_modes, volume_mode):
            return PropertySet(access_modes or found.access_modes, volume_mode or found.volume_mode)
    if access_modes:
        return PropertySet(access_modes, "Filesystem")
    raise InvalidClaimError(f'{NO_CLASS}: StorageClass "{class_name}" not found' if class_name else NO_CLASS)


def first_match(rows: Iterable[PropertySet], access_modes: tuple[str, ...], volume_mode: str) -> PropertySet | None:
    """The preferred row that agrees with what was asked; of several access modes, with one (spec 4.7 step 3)."""
    for row in rows:
        same_mode = not volume_mode or row.volume_mode == volume_mode
        if same_mode and row.access_modes and (not access_modes or {*access_modes} & {*row.access_modes}):
            return row
    return None


def parse_size(asked: Mapping[str, Any]) -> int:
    given = ((asked.get("resources") or {}).get("requests") or {}).get("storage")
    if given is None:
        raise InvalidClaimError("PVC Spec is not valid - missing storage size")
    try:
        size = parse_quantity(given)
    except QuantityError as error:
        raise InvalidClaimError(f"PVC Spec is not valid - {error}") from error
    if size < MIB:
        raise InvalidClaimError("PVC Spec is not valid - storage size should be at least 1MiB")
    return size
