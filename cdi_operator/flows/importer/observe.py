"""Reads what `plan` needs to know about one claim with import annotations."""

from __future__ import annotations

from cdi_operator.api import annotations as names
from cdi_operator.flows.defaults import defaults, storage_class
from cdi_operator.flows.importer.proxy import bundle, copy_of
from cdi_operator.flows.importer.state import State
from cdi_operator.flows.installation import config_map, worker_placement
from cdi_operator.flows.seen import Claim, Key, claim, controller, worker
from cdi_operator.flows.view import View
from cdi_operator.storage.names import importer_pod_name


def observe(view: View, key: Key) -> State | None:
    namespace, name = key
    found = claim(view.get("PersistentVolumeClaim", name, namespace))
    if found is None or not wants_import(found):
        return None
    pod_name = importer_pod_name(name)
    pod = view.get("Pod", pod_name, namespace)
    mine = pod is not None and (controller(pod) or {}).get("uid") == found.ref.uid
    installed = defaults(view)
    user_claim = claim_behind(view, found) or found
    return State(
        claim=found,
        storage_class=storage_class(view, found.storage_class),
        worker=worker(pod) if mine else None,
        refusal=view.refusal("Pod", pod_name, namespace) or view.refusal("ConfigMap", copy_of(found).name, namespace),
        defaults=installed,
        owner_uid=user_claim.owner_uid or user_claim.ref.uid,
        pod_labels=dict(user_claim.labels),
        placement=worker_placement(view),
        proxy_ca=bundle(config_map(view, installed.proxy.trusted_ca) or {}),
    )


def wants_import(claim: Claim) -> bool:
    """Spec 3.1: either annotation makes the claim ours, whoever wrote it; but not where a populator fills the claim."""
    populated = claim.annotations.get(names.USE_POPULATOR) == "true" or names.EXTERNAL_POPULATION in claim.annotations
    if populated or claim.spec.get("dataSourceRef"):
        return False
    return names.ENDPOINT in claim.annotations or names.SOURCE in claim.annotations


def claim_behind(view: View, prime: Claim) -> Claim | None:
    """The claim that a hidden claim is made for: its controlling owner."""
    if not prime.owner_uid:
        return None
    return claim(next(iter(view.by("PersistentVolumeClaim", "uid", prime.owner_uid)), None))
