"""Which StorageClass a claim gets when it names none, and what a class says about binding (spec 4.7, 2.5).

Two annotations compete: virtual machine disks prefer the class that is the default for virtualization; everything else,
and a cluster without such a class, takes the cluster's default.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cdi_operator.api.annotations import DEFAULT_CLASS, DEFAULT_VIRT_CLASS

StorageClass = Mapping[str, Any]
"""A StorageClass as its JSON."""


def default_class(classes: Iterable[StorageClass], for_disk: bool = True) -> StorageClass | None:
    """The default among the classes; None when there is none.

    `for_disk`: the content is a virtual machine's disk (contentType kubevirt), so the default for these counts first.
    """
    known = tuple(classes)
    wanted = (DEFAULT_VIRT_CLASS, DEFAULT_CLASS) if for_disk else (DEFAULT_CLASS,)
    for annotation in wanted:
        if marked := [each for each in known if _annotations(each).get(annotation) == "true"]:
            return _newest(marked)
    return None


def choose_class(classes: Iterable[StorageClass], name: str | None, for_disk: bool = True) -> StorageClass | None:
    """The class called `name`; when no name is given, the default. None when there is no such class."""
    if name is None:
        return default_class(classes, for_disk)
    return next((each for each in classes if each["metadata"]["name"] == name), None)


def waits_for_consumer(storage_class: StorageClass) -> bool:
    """Volumes of this class are made only once a pod that uses them is scheduled."""
    return bool(storage_class.get("volumeBindingMode") == "WaitForFirstConsumer")


def _newest(classes: list[StorageClass]) -> StorageClass:
    """The newest, and of equally old ones the first by name."""
    by_name = sorted(classes, key=lambda each: str(each["metadata"]["name"]))
    return max(by_name, key=lambda each: str(each["metadata"].get("creationTimestamp") or ""))


def _annotations(storage_class: StorageClass) -> Mapping[str, str]:
    return storage_class["metadata"].get("annotations") or {}
