"""Which path answers for which kind (spec 7.1): each reads the facts that it needs and lets a rule decide.

A function gets the `request` of an AdmissionReview. ApiError and Unreachable are let through: what could not be looked
up is not allowed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from cdi_operator.api import annotations as names
from cdi_operator.apiserver import facts
from cdi_operator.apiserver.rules import cdi, dataimportcron, datavolume, objecttransfer, population
from cdi_operator.apiserver.verdict import ALLOWED, Verdict, judged, refused
from cdi_operator.cluster.client import Client
from cdi_operator.flows.actions import Object
from cdi_operator.flows.datavolume.claim import FROM_STORAGE_PROFILE
from cdi_operator.flows.defaults import defaults
from cdi_operator.flows.rendering import InvalidClaimError, offer, rendered

Request = Mapping[str, Any]
Webhook = Callable[[Client, Request], Awaitable[Verdict]]


def created(request: Request) -> bool:
    return bool(request["operation"] == "CREATE")


def placed(request: Request) -> Object:
    """The object; before it is stored, its metadata may lack what the path of the request said."""
    obj: Object = request["object"]
    where = {key: request[key] for key in ("name", "namespace") if request.get(key)}
    return {**obj, "metadata": {**where, **obj["metadata"]}}


async def validate_data_volume(client: Client, request: Request) -> Verdict:
    volume = placed(request)
    if created(request):
        return judged(datavolume.created(volume, await facts.about_volume(client, volume)))
    return judged(datavolume.updated(volume, request["oldObject"]))


async def validate_data_import_cron(client: Client, request: Request) -> Verdict:
    cron = placed(request)
    return judged(
        dataimportcron.created(cron) if created(request) else dataimportcron.updated(cron, request["oldObject"])
    )


async def validate_populator(client: Client, request: Request) -> Verdict:
    source, old = placed(request), request.get("oldObject")
    if request["resource"]["resource"] == "volumeimportsources":
        make, change = population.import_source_created, population.import_source_updated
    else:
        make, change = population.upload_source_created, population.upload_source_updated
    return judged(change(source, old) if old else make(source))


async def validate_object_transfer(client: Client, request: Request) -> Verdict:
    transfer = placed(request)
    if created(request):
        taken = objecttransfer.moves(transfer) and await facts.exists(client, objecttransfer.target(transfer))
        problem = objecttransfer.created(transfer, taken)
    else:
        problem = objecttransfer.updated(transfer, request["oldObject"])
    return replace(refused(problem), warnings=(objecttransfer.DEPRECATED,))


async def validate_cdi(client: Client, request: Request) -> Verdict:
    installation = request["oldObject"]
    if not cdi.blocks_deletion(installation):
        return ALLOWED
    return refused(cdi.deleted(installation, await facts.workloads(client)))


async def render_claim(client: Client, request: Request) -> Verdict:
    """The claim is made as its storage can do it (spec 4.8)."""
    claim = placed(request)
    asked = dict(claim["spec"])
    if asked.get("volumeMode") == FROM_STORAGE_PROFILE:
        del asked["volumeMode"]
    content_type = (claim["metadata"].get("annotations") or {}).get(names.CONTENT_TYPE) or "kubevirt"
    view, class_name = await facts.about_storage(client, asked, content_type)
    if not defaults(view).webhook_rendering:
        return ALLOWED
    if has_unknown_size(asked):
        return refused("cannot detect the required pvc size")
    try:
        spec = rendered(asked, content_type, offer(view, class_name))
    except InvalidClaimError as error:
        return refused(str(error))
    return replace(ALLOWED, patch=({"op": "replace", "path": "/spec", "value": spec},))


def has_unknown_size(asked: Mapping[str, Any]) -> bool:
    """A clone that leaves it to its source how large it is."""
    reference = asked.get("dataSourceRef") or {}
    clone = reference.get("apiGroup") == names.GROUP and reference.get("kind") == "VolumeCloneSource"
    return clone and not ((asked.get("resources") or {}).get("requests") or {}).get("storage")


WEBHOOKS: Mapping[str, Webhook] = {
    "/datavolume-validate": validate_data_volume,
    "/dataimportcron-validate": validate_data_import_cron,
    "/populator-validate": validate_populator,
    "/objecttransfer-validate": validate_object_transfer,
    "/cdi-validate": validate_cdi,
    "/pvc-mutate": render_claim,
}
