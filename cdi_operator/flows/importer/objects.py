"""The worker pod of an import (spec 3.4): restricted, without a service account token, its whole task in one Job.

Secrets and certificates are mounted, never put into the environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cdi_operator.api import annotations as names
from cdi_operator.flows.importer.state import State
from cdi_operator.flows.seen import Claim, owner_reference
from cdi_operator.flows.settings import Settings
from cdi_operator.flows.sources import IMPORTS
from cdi_operator.storage.names import importer_pod_name
from cdi_operator.storage.sizes import NO_OVERHEAD
from importer_image.job import Job, Kind, Source, Target

DATA_DIR = "/data"
DATA_DEVICE = "/dev/cdi-block-volume"
CERT_DIR = "/certs"
SECRET_DIR = "/secret"
HEADERS_DIR = "/extraheaders"
JOURNAL_DIR = "/journal"
JOURNAL_LIMIT = "16Mi"
"""A journal has at most 4 MiB, and is there twice while it is replaced."""
METRICS_PORT = 8443
QEMU_USER = 107

PASSED_ON = (
    names.MULTUS_NETWORKS,
    names.MULTUS_DEFAULT_NETWORK,
    names.PRIORITY_CLASS,
    names.SERVICE_ACCOUNT,
)
MESH_OFF = {names.ISTIO_INJECT: "false", names.LINKERD_INJECT: "disabled"}

KINDS: Mapping[str, Kind] = {"http": "http", "none": "blank"}
"""Value of the source annotation, as the worker calls it."""
KNOWN = frozenset(IMPORTS.values())


def source_of(claim: Claim) -> str:
    """What the source annotation says; http when it says nothing that is known (spec 3.1)."""
    said = claim.annotations.get(names.SOURCE, "")
    return said if said in KNOWN else "http"


def unsupported(claim: Claim) -> str:
    """The source, when no worker of this release can fetch it; empty when one can."""
    source = source_of(claim)
    archive = claim.annotations.get(names.CONTENT_TYPE) == "archive"
    return source if source not in KINDS or archive else ""


def importer_pod(state: State, settings: Settings) -> dict[str, Any]:
    claim = state.claim
    priority = claim.annotations.get(names.PRIORITY_CLASS)
    account = claim.annotations.get(names.SERVICE_ACCOUNT)
    spec: dict[str, Any] = {
        "restartPolicy": "OnFailure",
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 5,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": QEMU_USER,
            "fsGroup": QEMU_USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container(state, settings)],
        "volumes": volumes(claim),
        **({"priorityClassName": priority} if priority else {}),
        **({"serviceAccountName": account} if account else {}),
        **placement(state),
        **({"imagePullSecrets": list(state.defaults.pull_secrets)} if state.defaults.pull_secrets else {}),
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": importer_pod_name(claim.name),
            "namespace": claim.ref.namespace,
            "labels": {
                **state.pod_labels,
                **settings.labels,
                names.APP: names.APP_NAME,
                names.COMPONENT: names.COMPONENT_IMPORTER,
                names.PROMETHEUS: "true",
            },
            "annotations": {
                **MESH_OFF,
                names.CREATED_BY_CONTROLLER: "yes",
                **{key: claim.annotations[key] for key in (*PASSED_ON, *MESH_OFF) if key in claim.annotations},
            },
            "ownerReferences": [owner_reference(claim.ref)],
        },
        "spec": spec,
    }


def placement(state: State) -> dict[str, Any]:
    """Where the consumer of a hidden claim's target will run; otherwise where the installation lets workers run.

    Another claim's selected node is the scheduler's own note, to which a pod must not be bound past the scheduler. And
    a pod that is bound to a node is turned away there when the installation's selector does not fit: it is left out.
    """
    notes, allowed = state.claim.annotations, state.placement
    node = notes.get(names.SELECTED_NODE) if names.POPULATOR_KIND in notes else None
    wanted = ("tolerations",) if node else ("nodeSelector", "affinity", "tolerations")
    return {**({"nodeName": node} if node else {}), **{key: allowed[key] for key in wanted if allowed.get(key)}}


def container(state: State, settings: Settings) -> dict[str, Any]:
    claim = state.claim
    mounts = [{"name": name, "mountPath": path, "readOnly": True} for name, path, _ in extra_volumes(claim)]
    journal = {"name": "cdi-journal-vol", "mountPath": JOURNAL_DIR}
    data = (
        {"volumeDevices": [{"name": "cdi-data-vol", "devicePath": DATA_DEVICE}], "volumeMounts": [journal, *mounts]}
        if claim.block
        else {"volumeMounts": [{"name": "cdi-data-vol", "mountPath": DATA_DIR}, *mounts]}
    )
    return {
        "name": "importer",
        "image": settings.importer_image,
        "imagePullPolicy": settings.pull_policy,
        "args": [f"-v={settings.verbosity}"],
        "env": [{"name": "CDI_JOB", "value": job(state).to_json()}],
        "ports": [{"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"}],
        "resources": dict(state.defaults.pod_resources),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        **data,
    }


def job(state: State) -> Job:
    claim = state.claim
    note = claim.annotations.get
    return Job(
        source=Source(
            kind=KINDS[source_of(claim)],
            url=note(names.ENDPOINT, ""),
            secret_dir=SECRET_DIR if note(names.SECRET_NAME) else "",
            ca_dirs=(CERT_DIR,) if note(names.CERT_CONFIG_MAP) else (),
            insecure=note(names.INSECURE_SKIP_VERIFY) == "true",
            headers=tuple(text for _, text in numbered(claim, names.EXTRA_HEADERS)),
            secret_header_dirs=tuple(
                f"{HEADERS_DIR}/{number}" for number, _ in numbered(claim, names.SECRET_EXTRA_HEADERS)
            ),
            checksum=note(names.CHECKSUM, ""),
        ),
        target=Target(
            path=DATA_DEVICE if claim.block else DATA_DIR,
            volume_mode="Block" if claim.block else "Filesystem",
            size_bytes=claim.requested_bytes,
            overhead=NO_OVERHEAD if claim.block else state.defaults.overhead(claim.storage_class),
            preallocate=note(names.PREALLOCATION_REQUESTED) == "true",
            journal_dir=JOURNAL_DIR if claim.block else "",
        ),
        owner_uid=state.owner_uid,
        metrics_port=METRICS_PORT,
    )


def volumes(claim: Claim) -> list[dict[str, Any]]:
    """A device has no place for notes: those from which a restarted container goes on are kept in the pod."""
    data = {"name": "cdi-data-vol", "persistentVolumeClaim": {"claimName": claim.name}}
    journal = {"name": "cdi-journal-vol", "emptyDir": {"sizeLimit": JOURNAL_LIMIT}}
    extra = ({"name": name, **source} for name, _, source in extra_volumes(claim))
    return [data, *([journal] if claim.block else []), *extra]


def extra_volumes(claim: Claim) -> list[tuple[str, str, dict[str, Any]]]:
    """Certificates and secrets: volume name, where it is mounted, and what it is."""
    found: list[tuple[str, str, dict[str, Any]]] = []
    if secret := claim.annotations.get(names.SECRET_NAME):
        found.append(("cdi-secret-vol", SECRET_DIR, {"secret": {"secretName": secret}}))
    if config_map := claim.annotations.get(names.CERT_CONFIG_MAP):
        found.append(("cdi-cert-vol", CERT_DIR, {"configMap": {"name": config_map}}))
    for number, secret in numbered(claim, names.SECRET_EXTRA_HEADERS):
        source = {"secret": {"secretName": secret}}
        found.append((f"cdi-secret-extra-headers-vol-{number}", f"{HEADERS_DIR}/{number}", source))
    return found


def numbered(claim: Claim, prefix: str) -> list[tuple[int, str]]:
    """Annotations `<prefix>.0`, `<prefix>.1` ... with their numbers, in order."""
    tail = len(prefix) + 1
    found = ((key[tail:], value) for key, value in claim.annotations.items() if key.startswith(f"{prefix}."))
    return sorted((int(number), value) for number, value in found if number.isdecimal())
