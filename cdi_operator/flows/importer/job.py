"""What the worker is told to do: the claim's annotations (spec 3.1) and the installation's word, as one Job."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from cdi_operator.api import annotations as names
from cdi_operator.flows.defaults import Defaults
from cdi_operator.flows.importer import proxy, vddk, volumes
from cdi_operator.flows.importer.state import State
from cdi_operator.flows.seen import Claim
from cdi_operator.storage.sizes import NO_OVERHEAD
from importer_image.job import Job, Kind, Source, Target

METRICS_PORT = 8443

KINDS: Mapping[str, Kind] = {
    "http": "http",
    "s3": "s3",
    "gcs": "gcs",
    "registry": "registry",
    "imageio": "imageio",
    "vddk": "vddk",
    "none": "blank",
}
"""Value of the source annotation, as the worker calls it."""


def source_of(claim: Claim) -> str:
    """What the source annotation says; http when it says nothing that is known (spec 3.1)."""
    said = claim.annotations.get(names.SOURCE, "")
    return said if said in KINDS else "http"


def job(state: State) -> Job:
    claim = state.claim
    note = claim.annotations.get
    on_node = volumes.pulls_on_node(claim)
    vouching = (volumes.certificates(claim), proxy.certificates(state))
    return Job(
        source=Source(
            kind="mounted" if on_node else KINDS[source_of(claim)],
            url=volumes.IMAGE_DIR if on_node else note(names.ENDPOINT, ""),
            secret_dir=volumes.path_of(volumes.secret(claim)),
            ca_dirs=tuple(each.path for each in vouching if each),
            insecure=insecure(claim, state.defaults),
            headers=tuple(text for _, text in volumes.numbered(claim, names.EXTRA_HEADERS)),
            secret_header_dirs=tuple(each.path for each in volumes.secret_headers(claim)),
            platform_architecture=note(names.REGISTRY_IMAGE_ARCHITECTURE, ""),
            checksum="" if on_node else note(names.CHECKSUM, ""),
            disk_id=note(names.DISK_ID, ""),
            uuid=note(names.UUID, ""),
            backing_file=note(names.BACKING_FILE, ""),
            thumbprint=note(names.THUMBPRINT, ""),
            extra_args_dir=volumes.path_of(vddk.settings_of_library(state)),
            current_checkpoint=state.stage.current if state.stage else "",
            previous_checkpoint=state.stage.previous if state.stage else "",
            final_checkpoint=state.stage is not None and state.stage.final,
        ),
        target=Target(
            path=volumes.DATA_DEVICE if claim.block else volumes.DATA_DIR,
            volume_mode="Block" if claim.block else "Filesystem",
            size_bytes=claim.requested_bytes,
            overhead=NO_OVERHEAD if claim.block else state.defaults.overhead(claim.storage_class),
            preallocate=note(names.PREALLOCATION_REQUESTED) == "true",
            journal_dir=volumes.path_of(volumes.journal(claim)),
        ),
        content_type="archive" if note(names.CONTENT_TYPE) == "archive" else "kubevirt",
        owner_uid=state.owner_uid,
        metrics_port=METRICS_PORT,
    )


def insecure(claim: Claim, defaults: Defaults) -> bool:
    """Whether any certificate will do: as the claim says for a web server and an engine, for a registry as the
    installation says (spec 1.5, 3.1).
    """
    match source_of(claim):
        case "http" | "imageio":
            return claim.annotations.get(names.INSECURE_SKIP_VERIFY) == "true"
        case "registry":
            return host_of(claim.annotations.get(names.ENDPOINT, "")) in defaults.insecure_registries
        case _:
            return False


def host_of(url: str) -> str:
    """`host[:port]` as the URL has it; empty for what is no URL."""
    try:
        return urlsplit(url.strip()).netloc
    except ValueError:
        return ""
