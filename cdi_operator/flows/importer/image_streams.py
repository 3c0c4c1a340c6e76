"""OpenShift's names for container images: an ImageStream `NAME[:TAG]` beside the claim says which image a tag is now.

OpenShift puts the image in place of the name in the containers of a pod, but not in its volumes, where ours is: so we
ask for it ourselves. Without OpenShift there are no ImageStreams, and that is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Look, Plan, Ref
from cdi_operator.flows.importer.state import State
from cdi_operator.flows.seen import Claim
from cdi_operator.flows.view import outdated

API_VERSION, KIND = "image.openshift.io/v1", "ImageStream"
FRESH = timedelta(seconds=10)
LATEST = "latest"


def stream_and_tag(claim: Claim) -> tuple[str, str]:
    """Both empty for a claim whose image is no ImageStream's."""
    if claim.annotations.get(names.REGISTRY_IMAGE_STREAM) != "true":
        return "", ""
    stream, _, tag = claim.annotations.get(names.ENDPOINT, "").strip().partition(":")
    return stream, tag or LATEST


def look(state: State, now: datetime) -> Plan:
    """Nobody follows the ImageStreams of all users: this one is read when it is needed, and just before that."""
    stream, _ = stream_and_tag(state.claim)
    wanted = stream and outdated(state.image_stream, FRESH, now)
    return (Look(Ref(API_VERSION, KIND, stream, state.claim.ref.namespace)),) if wanted else ()


def wrong(state: State) -> str:
    """What has to be put right before a worker can start; empty for nothing."""
    stream, tag = stream_and_tag(state.claim)
    if not stream or state.image_stream is None:
        return ""
    if state.image_stream.object is None:
        return f"ImageStream {stream!r} not found (without OpenShift, name the image by its url)"
    return "" if image(state) else f"ImageStream {stream!r} has no image for tag {tag!r}"


def image(state: State) -> str:
    """The image that the tag stands for, as any runtime can pull it; empty where it stands for none."""
    _, tag = stream_and_tag(state.claim)
    found: Mapping[str, Any] = (state.image_stream.object if tag and state.image_stream else None) or {}
    tags = (found.get("status") or {}).get("tags") or ()
    items = next((each.get("items") for each in tags if each.get("tag") == tag), None) or ()
    return str(items[0].get("dockerImageReference") or "") if items else ""
