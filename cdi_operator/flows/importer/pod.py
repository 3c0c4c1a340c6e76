"""The worker pod of an import (spec 3.4): restricted, without a service account token, its whole task in one Job.

Secrets and certificates are mounted, never put into the environment.
"""

from __future__ import annotations

from typing import Any

from cdi_operator.api import annotations as names
from cdi_operator.flows.importer import image_streams, proxy, vddk, volumes
from cdi_operator.flows.importer.job import METRICS_PORT, job
from cdi_operator.flows.importer.state import State
from cdi_operator.flows.seen import Claim, owner_reference
from cdi_operator.flows.settings import Settings
from cdi_operator.storage.names import importer_pod_name

QEMU_USER = 107
ARCHITECTURE = "kubernetes.io/arch"
"""Label of nodes."""

PASSED_ON = (
    names.MULTUS_NETWORKS,
    names.MULTUS_DEFAULT_NETWORK,
    names.PRIORITY_CLASS,
    names.SERVICE_ACCOUNT,
)
MESH_OFF = {names.ISTIO_INJECT: "false", names.LINKERD_INJECT: "disabled"}


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
        **({"initContainers": first} if (first := vddk.containers(state, settings)) else {}),
        "containers": [container(state, settings)],
        "volumes": [volumes.data(claim), *(each.volume for each in mounts(state, settings))],
        **({"priorityClassName": priority} if priority else {}),
        **({"serviceAccountName": account} if account else {}),
        **placement(state),
        **({"imagePullSecrets": list(state.defaults.pull_secrets)} if state.defaults.pull_secrets else {}),
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": importer_pod_name(claim.name, state.stage.current if state.stage else ""),
            "namespace": claim.ref.namespace,
            "labels": {
                **state.pod_labels,
                **state.defaults.worker_labels,
                **settings.labels,
                names.APP: names.APP_NAME,
                names.COMPONENT: names.COMPONENT_IMPORTER,
                names.WORKER: names.WORKER_IMPORT,
                names.PROMETHEUS: "true",
            },
            "annotations": {
                **MESH_OFF,
                **state.defaults.worker_annotations,
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
    Only the architecture always counts: a node of another one would pull another disk, or could not run the library.
    """
    notes, allowed = state.claim.annotations, state.placement
    node = notes.get(names.SELECTED_NODE) if names.POPULATOR_KIND in notes else None
    wanted = ("tolerations",) if node else ("nodeSelector", "affinity", "tolerations")
    found = {key: allowed[key] for key in wanted if allowed.get(key)}
    if not node and (selector := vddk.node_selector(state)):
        found["nodeSelector"] = {**found.get("nodeSelector", {}), **selector}
    if architecture := architecture_of(state.claim):
        found["nodeSelector"] = {**found.get("nodeSelector", {}), ARCHITECTURE: architecture}
    return {**({"nodeName": node} if node else {}), **found}


def architecture_of(claim: Claim) -> str:
    """Of the nodes that can do it; empty for any."""
    if vddk.is_wanted(claim):
        return vddk.ARCHITECTURE
    return claim.annotations.get(names.REGISTRY_IMAGE_ARCHITECTURE, "") if volumes.pulls_on_node(claim) else ""


def container(state: State, settings: Settings) -> dict[str, Any]:
    claim = state.claim
    mounted = [each.mount for each in mounts(state, settings)]
    data = (
        {"volumeDevices": [{"name": volumes.DATA, "devicePath": volumes.DATA_DEVICE}], "volumeMounts": mounted}
        if claim.block
        else {"volumeMounts": [{"name": volumes.DATA, "mountPath": volumes.DATA_DIR}, *mounted]}
    )
    return {
        "name": "importer",
        "image": settings.importer_image,
        "imagePullPolicy": settings.pull_policy,
        "args": [f"-v={state.defaults.verbosity or settings.verbosity}"],
        "env": [{"name": "CDI_JOB", "value": job(state).to_json()}, *proxy.environment(state)],
        "ports": [{"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"}],
        "resources": dict(state.defaults.pod_resources),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        **data,
    }


def mounts(state: State, settings: Settings) -> tuple[volumes.Mount, ...]:
    """All but the volume to fill."""
    claim = state.claim
    found = (
        volumes.journal(claim),
        volumes.secret(claim),
        volumes.certificates(claim),
        *volumes.secret_headers(claim),
        proxy.certificates(state),
        volumes.pulled_image(claim, settings.pull_policy, image_streams.image(state)),
        vddk.library(claim),
        vddk.settings_of_library(state),
    )
    return tuple(each for each in found if each is not None)
