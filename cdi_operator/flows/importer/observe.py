"""Reads what `plan` needs to know about one claim with import annotations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cdi_operator.flows.defaults import defaults, storage_class
from cdi_operator.flows.importer import image_streams, vddk
from cdi_operator.flows.importer.proxy import bundle, copy_of
from cdi_operator.flows.importer.state import State
from cdi_operator.flows.installation import config_map, worker_placement
from cdi_operator.flows.populate.observe import import_source
from cdi_operator.flows.progress import reading
from cdi_operator.flows.queue import Limits, Traffic, is_import, traffic
from cdi_operator.flows.seen import Claim, Key, claim, worker
from cdi_operator.flows.sources import wants_import
from cdi_operator.flows.stages import at, listed
from cdi_operator.flows.view import View
from cdi_operator.storage.names import importer_pod_name

NO_TRAFFIC = Traffic(Limits())
"""Nobody asks whose turn it is once there is a worker."""


def observe(view: View, key: Key) -> State | None:
    namespace, name = key
    found = claim(view.get("PersistentVolumeClaim", name, namespace))
    if found is None or not wants_import(found.annotations, found.spec):
        return None
    installed = defaults(view)
    user_claim = claim_behind(view, found) or found
    stages = listed(list_of_stages(view, found, user_claim))
    stage = at(found, stages)
    pod_name = importer_pod_name(name, stage.current if stage else "")
    pods = {pod["metadata"]["name"]: pod for pod in view.by("Pod", "owner", found.ref.uid) if is_import(pod)}
    at_work = worker(pods.pop(pod_name, None))
    return State(
        claim=found,
        storage_class=storage_class(view, found.storage_class),
        stages=stages,
        stage=stage,
        worker=at_work,
        former=tuple(seen for pod in pods.values() if (seen := worker(pod))),
        reading=reading(view, found),
        shows_itself=not found.owner_uid,
        traffic=traffic(view) if at_work is None else NO_TRAFFIC,
        refusal=view.refusal("Pod", pod_name, namespace) or view.refusal("ConfigMap", copy_of(found).name, namespace),
        defaults=installed,
        owner_uid=user_claim.owner_uid or user_claim.ref.uid,
        pod_labels=dict(user_claim.labels),
        placement=worker_placement(view),
        vddk_image=(config_map(view, vddk.CONFIG_MAP) or {}).get(vddk.KEY, ""),
        extra_args=view.found("ConfigMap", vddk.extra_args(found), namespace),
        image_stream=view.found(image_streams.KIND, image_streams.stream_and_tag(found)[0], namespace),
        proxy_ca=bundle(config_map(view, installed.proxy.trusted_ca) or {}),
    )


def claim_behind(view: View, prime: Claim) -> Claim | None:
    """The claim that a hidden claim is made for: its controlling owner."""
    if not prime.owner_uid:
        return None
    return claim(next(iter(view.by("PersistentVolumeClaim", "uid", prime.owner_uid)), None))


def list_of_stages(view: View, found: Claim, user_claim: Claim) -> Mapping[str, Any]:
    """The spec that has it: of a hidden claim's VolumeImportSource, else of the DataVolume that owns the claim."""
    namespace = found.ref.namespace
    if found is not user_claim:
        source = view.get("VolumeImportSource", import_source(user_claim), namespace)
        return source["spec"] if source else {}
    volume = view.get("DataVolume", found.name, namespace)
    return volume["spec"] if volume and volume["metadata"]["uid"] == found.owner_uid else {}
