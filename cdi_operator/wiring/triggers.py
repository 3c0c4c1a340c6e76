"""Which change wakes which key (spec 12): the table, and the small functions that it is made of.

`TRIGGERS` is read as: when an object of this kind appears, changes or goes, these flows look at these keys. For an
object that went, the functions get the last that was known of it. They may name a key that nothing is to be done for:
the flow's `observe` finds that out, at the cost of a few lookups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Object
from cdi_operator.flows.certificates.authorities import AUTHORITIES
from cdi_operator.flows.config.observe import KEY as CONFIG
from cdi_operator.flows.queue import is_alive, next_keys, takes_a_place
from cdi_operator.flows.seen import Key, controller, worker
from cdi_operator.flows.sources import wants_import
from cdi_operator.flows.view import View
from cdi_operator.storage.capability_table import NO_PROVISIONER
from cdi_operator.storage.names import prime_name

Keys = Callable[[Object, View], Iterable[Key]]
CLAIM = "PersistentVolumeClaim"


def itself(obj: Object, view: View) -> Iterable[Key]:
    meta = obj["metadata"]
    return ((meta.get("namespace", ""), meta["name"]),)


def controlling_claim(obj: Object, view: View) -> Iterable[Key]:
    """The claim that the object belongs to: of a worker pod, the one it fills; of a hidden claim, its target."""
    owner = controller(obj)
    if owner is None or owner["kind"] != CLAIM:
        return ()
    return ((obj["metadata"]["namespace"], owner["name"]),)


def claim_to_populate(claim: Object, view: View) -> Iterable[Key]:
    """The claim itself when it names an import source; its target when it is a hidden one."""
    wanted = claim["spec"].get("dataSourceRef") or {}
    return itself(claim, view) if wanted.get("kind") == "VolumeImportSource" else controlling_claim(claim, view)


def claim_to_import(claim: Object, view: View) -> Iterable[Key]:
    asks = wants_import(claim["metadata"].get("annotations") or {}, claim["spec"])
    return itself(claim, view) if asks else ()


def claims_being_imported(obj: Object, view: View) -> Iterable[Key]:
    """Some may wait for a ConfigMap of the installation. It has few, and they hardly ever change."""
    return tuple(key for claim in view.all(CLAIM) for key in claim_to_import(claim, view))


def next_in_the_queue(obj: Object, view: View) -> Iterable[Key]:
    """Who waits for a place that may be free now: a worker needs it no more, a claim has left the queue without one."""
    annotations, kind = obj["metadata"].get("annotations") or {}, obj["kind"]
    if kind == "Pod":
        here = view.get(kind, obj["metadata"]["name"], obj["metadata"]["namespace"])
        found = worker(here) if here is not None and is_alive(here) else None
        at_work = found is not None and takes_a_place(found, None)
    else:
        at_work = kind == CLAIM and (not claim_to_import(obj, view) or names.IMPORT_POD_NAME in annotations)
    return () if at_work else next_keys(view)


def data_volumes_of_claim(claim: Object, view: View) -> Iterable[Key]:
    """By name (ours, or a stranger's), by owner, by the claim's own word; of a hidden claim, those of its target."""
    namespace, name = claim["metadata"].get("namespace", ""), claim["metadata"]["name"]
    owner = controller(claim) or {"kind": "", "name": ""}
    annotations = claim["metadata"].get("annotations") or {}
    concerned = {name, annotations.get(names.POPULATED_FOR, "")}
    if owner["kind"] in ("DataVolume", CLAIM):
        concerned.add(owner["name"])
    return tuple((namespace, each) for each in concerned if view.get("DataVolume", each, namespace) is not None)


def claims_of_pod(pod: Object, view: View) -> Iterable[Object]:
    """The claim that a worker fills."""
    found = (view.get(CLAIM, name, namespace) for namespace, name in controlling_claim(pod, view))
    return (claim for claim in found if claim is not None)


def claim_of_volume(volume: Object, view: View) -> Iterable[Object]:
    reference = volume["spec"].get("claimRef")
    found = view.get(CLAIM, reference["name"], reference["namespace"]) if reference else None
    return (found,) if found is not None else ()


def claim_of_event(event: Object, view: View) -> Iterable[Object]:
    about = event["involvedObject"]
    found = view.get(CLAIM, about.get("name", ""), about.get("namespace", ""))
    return (found,) if found is not None else ()


def undecided_data_volumes(obj: Object, view: View) -> Iterable[Key]:
    """Those without a phase yet: what they wait for is a class, a profile, a volume."""
    return tuple(key for volume in view.by("DataVolume", "phase", "") for key in itself(volume, view))


def undecided_when_available(volume: Object, view: View) -> Iterable[Key]:
    """A volume that somebody made by hand tells what its class can do."""
    available = (volume.get("status") or {}).get("phase") == "Available"
    return undecided_data_volumes(volume, view) if available else ()


def claims_waiting_for_class(storage_class: Object, view: View) -> Iterable[Key]:
    name = storage_class["metadata"]["name"]
    waiting = (claim for claim in view.all(CLAIM) if claim["spec"].get("storageClassName") == name)
    return tuple(
        key for claim in waiting if not claim["spec"].get("volumeName") for key in claim_to_populate(claim, view)
    )


def claims_of_import_source(source: Object, view: View) -> Iterable[Key]:
    place = f"VolumeImportSource/{source['metadata']['namespace']}/{source['metadata']['name']}"
    return tuple(key for claim in view.by(CLAIM, "data-source", place) for key in itself(claim, view))


def hidden_claims(source: Object, view: View) -> Iterable[Key]:
    """Of the claims that are filled from this source: it may list another stage."""
    place = f"VolumeImportSource/{source['metadata']['namespace']}/{source['metadata']['name']}"
    claims = view.by(CLAIM, "data-source", place)
    return tuple((claim["metadata"]["namespace"], prime_name(claim["metadata"]["uid"])) for claim in claims)


def claim_with_stages(volume: Object, view: View) -> Iterable[Key]:
    """The claim of a DataVolume that may list another stage."""
    return itself(volume, view) if (volume.get("spec") or {}).get("checkpoints") else ()


def controlling_data_volume(obj: Object, view: View) -> Iterable[Key]:
    owner = controller(obj)
    return ((obj["metadata"]["namespace"], owner["name"]),) if owner and owner["kind"] == "DataVolume" else ()


def every_storage_class(obj: Object, view: View) -> Iterable[Key]:
    return tuple(("", each["metadata"]["name"]) for each in view.all("StorageClass"))


def class_of_handmade_volume(volume: Object, view: View) -> Iterable[Key]:
    """A class without provisioner can do what its volumes can."""
    name = volume["spec"].get("storageClassName") or ""
    found = view.get("StorageClass", name)
    return (("", name),) if found is not None and found["provisioner"] == NO_PROVISIONER else ()


def every_authority(obj: Object, view: View) -> Iterable[Key]:
    """All of the installation, whose namespace is the only one that ConfigMaps are followed in."""
    here = obj["metadata"].get("namespace")
    namespaces = {here} if here else {each["metadata"]["namespace"] for each in view.all("ConfigMap")}
    return tuple((namespace, each.service) for namespace in namespaces for each in AUTHORITIES)


def the_config(obj: Object, view: View) -> Iterable[Key]:
    return (CONFIG,)


def through(find: Callable[[Object, View], Iterable[Object]], keys: Keys) -> Keys:
    """The keys of the objects that `find` leads to."""
    return lambda obj, view: (key for found in find(obj, view) for key in keys(found, view))


TRIGGERS: Mapping[str, tuple[tuple[str, Keys], ...]] = {
    "DataVolume": (
        ("datavolume", itself),
        ("importer", claim_with_stages),
    ),
    CLAIM: (
        ("datavolume", data_volumes_of_claim),
        ("populate", claim_to_populate),
        ("importer", claim_to_import),
        ("importer", next_in_the_queue),
    ),
    "PersistentVolume": (
        ("datavolume", through(claim_of_volume, data_volumes_of_claim)),
        ("datavolume", undecided_when_available),
        ("populate", through(claim_of_volume, claim_to_populate)),
        ("storageprofile", class_of_handmade_volume),
    ),
    "Pod": (
        ("importer", controlling_claim),
        ("importer", next_in_the_queue),
        ("populate", through(claims_of_pod, claim_to_populate)),
        ("datavolume", through(claims_of_pod, data_volumes_of_claim)),
    ),
    "Event": (
        ("populate", through(claim_of_event, claim_to_populate)),
        ("datavolume", through(claim_of_event, data_volumes_of_claim)),
    ),
    "VolumeImportSource": (
        ("populate", claims_of_import_source),
        ("importer", hidden_claims),
        ("datavolume", controlling_data_volume),
    ),
    "ConfigMap": (
        ("importer", claims_being_imported),
        ("config", the_config),
        ("certificates", every_authority),
    ),
    "MutatingWebhookConfiguration": (("certificates", every_authority),),
    "ValidatingWebhookConfiguration": (("certificates", every_authority),),
    "StorageClass": (
        ("storageprofile", itself),
        ("config", the_config),
        ("datavolume", undecided_data_volumes),
        ("populate", claims_waiting_for_class),
    ),
    "StorageProfile": (
        ("storageprofile", itself),
        ("datavolume", undecided_data_volumes),
    ),
    "VolumeSnapshotClass": (("storageprofile", every_storage_class),),
    "Ingress": (("config", the_config),),
    "Secret": (
        ("config", the_config),
        ("certificates", every_authority),
    ),
    "Route": (("config", the_config),),
    "Proxy": (("config", the_config),),
    # Read when metrics are asked for.
    "Infrastructure": (),
    "CSIDriver": (
        ("storageprofile", every_storage_class),
        ("datavolume", undecided_data_volumes),
    ),
    "CDIConfig": (
        ("config", the_config),
        ("importer", next_in_the_queue),
        ("datavolume", undecided_data_volumes),
    ),
    "CDI": (
        ("config", the_config),
        ("storageprofile", every_storage_class),
        ("certificates", every_authority),
    ),
}


def at_start(own_namespace: str) -> tuple[tuple[str, Key], ...]:
    """Looked at even when nothing in the cluster says so."""
    return (("config", CONFIG), *(("certificates", (own_namespace, each.service)) for each in AUTHORITIES))


def woken_by(obj: Object, view: View) -> Iterable[tuple[str, Key]]:
    """Flow and key of everything that `obj` concerns."""
    for flow, keys in TRIGGERS.get(obj["kind"], ()):
        for key in keys(obj, view):
            yield flow, key
