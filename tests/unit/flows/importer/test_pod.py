"""The importer pod, whole (spec 3.4); its volumes and its job have tables of their own."""

import pytest

from cdi_operator.api import annotations as names
from tests.unit.flows.given import (
    CLAIM_UID,
    CSI,
    HONOURS_WAIT,
    LOCAL,
    NAME,
    NS,
    PRIME,
    PRIME_KEY,
    PRIME_UID,
    config,
    having,
    legacy,
    noted,
    obj,
    prime,
    target,
)
from tests.unit.flows.importer.pods import job, legacy_pod, made, prime_pod

RESOURCES = {"limits": {"cpu": "750m", "memory": "600M"}, "requests": {"cpu": "100m", "memory": "60M"}}


def test_whole():
    """Restricted Pod Security, nothing that the worker does not need."""
    assert legacy_pod() == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "importer-disk",
            "namespace": NS,
            "labels": {
                "app": "containerized-data-importer",
                "cdi.kubevirt.io": "importer",
                "cdi.kubevirt.io/worker": "import",
                "prometheus.cdi.kubevirt.io": "true",
                "app.kubernetes.io/component": "storage",
                "app.kubernetes.io/managed-by": "cdi-controller",
                "app.kubernetes.io/part-of": "kubevirt",
                "app.kubernetes.io/version": "1.2.3",
            },
            "annotations": {
                "cdi.kubevirt.io/storage.createdByController": "yes",
                "sidecar.istio.io/inject": "false",
                "linkerd.io/inject": "disabled",
            },
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "PersistentVolumeClaim",
                    "name": NAME,
                    "uid": CLAIM_UID,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "restartPolicy": "OnFailure",
            "enableServiceLinks": False,
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 5,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 107,
                "fsGroup": 107,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "importer",
                    "image": "importer:1",
                    "imagePullPolicy": "IfNotPresent",
                    "args": ["-v=1"],
                    "env": [{"name": "CDI_JOB", "value": job(legacy_pod()).to_json()}],
                    "ports": [{"name": "metrics", "containerPort": 8443, "protocol": "TCP"}],
                    "resources": {},
                    "terminationMessagePolicy": "FallbackToLogsOnError",
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                    "volumeMounts": [{"name": "cdi-data-vol", "mountPath": "/data"}],
                }
            ],
            "volumes": [{"name": "cdi-data-vol", "persistentVolumeClaim": {"claimName": NAME}}],
        },
    }


def test_for_a_hidden_claim():
    pod = prime_pod()
    (owner,) = pod["metadata"]["ownerReferences"]
    assert pod["metadata"]["name"] == f"importer-{PRIME}"
    assert (owner["name"], owner["uid"]) == (PRIME, PRIME_UID)
    assert pod["spec"]["volumes"][0]["persistentVolumeClaim"] == {"claimName": PRIME}


@pytest.mark.parametrize(
    ("annotations", "field", "wanted"),
    [
        ({names.PRIORITY_CLASS: "high"}, "priorityClassName", "high"),
        ({names.SERVICE_ACCOUNT: "puller"}, "serviceAccountName", "puller"),
        ({names.SELECTED_NODE: "node-1"}, "nodeName", "node-1"),
        ({}, "priorityClassName", None),
        ({}, "serviceAccountName", None),
        ({}, "nodeName", None),
    ],
)
def test_where_and_as_whom_it_runs(annotations, field, wanted):
    assert prime_pod(annotations)["spec"].get(field) == wanted


def test_only_a_hidden_claim_takes_its_node_from_the_consumer():
    """Another claim's selected node is the scheduler's own note: binding the pod to it would pass the scheduler by."""
    assert "nodeName" not in legacy_pod({names.SELECTED_NODE: "node-1"})["spec"]


PLACEMENT = {
    "nodeSelector": {"role": "storage"},
    "affinity": {"nodeAffinity": {}},
    "tolerations": [{"key": "storage", "operator": "Exists"}],
}


@pytest.mark.parametrize(
    ("annotations", "wanted"),
    [
        ({}, PLACEMENT),
        # its consumer's node counts, and a selector that does not fit there would only get the pod turned away
        ({names.SELECTED_NODE: "node-1"}, {"nodeName": "node-1", "tolerations": PLACEMENT["tolerations"]}),
    ],
)
def test_where_the_installation_lets_it_run(annotations, wanted):
    cdi = obj("CDI", "cdi", namespace="", spec={"workload": PLACEMENT})
    spec = made(*CSI, cdi, target(), prime("Bound", annotations), key=PRIME_KEY)["spec"]
    assert {key: spec[key] for key in ("nodeName", *PLACEMENT) if key in spec} == wanted


ARM = {names.SOURCE: "registry", names.REGISTRY_IMAGE_ARCHITECTURE: "arm64"}
NODE_PULL = {**ARM, names.REGISTRY_IMPORT_METHOD: "node"}


@pytest.mark.parametrize(
    ("annotations", "workload", "wanted"),
    [
        (NODE_PULL, {}, {"kubernetes.io/arch": "arm64"}),
        (NODE_PULL, PLACEMENT, {"role": "storage", "kubernetes.io/arch": "arm64"}),
        # a node of another kind would pull another disk: the pod is rather turned away
        ({**NODE_PULL, names.SELECTED_NODE: "node-1"}, PLACEMENT, {"kubernetes.io/arch": "arm64"}),
        ({**NODE_PULL, names.REGISTRY_IMAGE_ARCHITECTURE: ""}, {}, None),
        # the importer pulls for any architecture
        (ARM, {}, None),
        (ARM, PLACEMENT, {"role": "storage"}),
    ],
)
def test_nodes_that_pull_are_of_the_architecture(annotations, workload, wanted):
    cdi = obj("CDI", "cdi", namespace="", spec={"workload": workload})
    spec = made(*CSI, cdi, target(), prime("Bound", annotations), key=PRIME_KEY)["spec"]
    assert spec.get("nodeSelector") == wanted


@pytest.mark.parametrize(
    ("status", "wanted_resources", "wanted_secrets"),
    [
        ({"defaultPodResourceRequirements": RESOURCES}, RESOURCES, None),
        ({"imagePullSecrets": [{"name": "pull"}]}, {}, [{"name": "pull"}]),
    ],
)
def test_what_the_installation_says(status, wanted_resources, wanted_secrets):
    pod = made(*LOCAL, config(**status), legacy("Bound"))
    assert pod["spec"]["containers"][0]["resources"] == wanted_resources
    assert pod["spec"].get("imagePullSecrets") == wanted_secrets


@pytest.mark.parametrize(("told", "wanted"), [({}, "-v=1"), ({"logVerbosity": 3}, "-v=3")])
def test_how_much_it_logs(told, wanted):
    pod = made(*LOCAL, having(config(), spec=told), legacy("Bound"))
    assert pod["spec"]["containers"][0]["args"] == [wanted]


@pytest.mark.parametrize(
    ("annotations", "wanted"),
    [
        ({}, {names.ISTIO_INJECT: "false", names.LINKERD_INJECT: "disabled"}),
        ({names.ISTIO_INJECT: "true"}, {names.ISTIO_INJECT: "true"}),
        ({names.LINKERD_INJECT: "enabled"}, {names.LINKERD_INJECT: "enabled"}),
        ({names.MULTUS_NETWORKS: "net"}, {names.MULTUS_NETWORKS: "net"}),
        ({names.MULTUS_DEFAULT_NETWORK: "net"}, {names.MULTUS_DEFAULT_NETWORK: "net"}),
        ({names.PRIORITY_CLASS: "high"}, {names.PRIORITY_CLASS: "high"}),
        ({names.SERVICE_ACCOUNT: "puller"}, {names.SERVICE_ACCOUNT: "puller"}),
        ({"example.com/other": "x"}, {"example.com/other": None}),
    ],
)
def test_annotations_passed_on(annotations, wanted):
    carried = legacy_pod(annotations)["metadata"]["annotations"]
    assert {key: carried.get(key) for key in wanted} == wanted


CUSTOM = {
    names.WORKER_LABELS: '{"team":"storage","app":"mine"}',
    names.WORKER_ANNOTATIONS: '{"sidecar.istio.io/inject":"true","linkerd.io/inject":"enabled","note":"x"}',
}


def test_what_the_administrator_asks_of_all_workers():
    """Ours stand above theirs, theirs above the user's labels; a claim may still ask for its own mesh."""
    claim = legacy("Bound", {"linkerd.io/inject": "disabled"})
    wanted = having(claim, metadata={"labels": {"team": "blue", "tier": "user"}})
    meta = made(*LOCAL, noted(HONOURS_WAIT, CUSTOM), wanted)["metadata"]
    assert {key: meta["labels"][key] for key in ("team", "tier", "app")} == {
        "team": "storage",
        "tier": "user",
        "app": "containerized-data-importer",
    }
    assert {key: meta["annotations"][key] for key in ("sidecar.istio.io/inject", "linkerd.io/inject", "note")} == {
        "sidecar.istio.io/inject": "true",
        "linkerd.io/inject": "disabled",
        "note": "x",
    }


def test_labels_are_those_of_the_claim_that_the_user_made():
    labels = prime_pod(labels={"team": "blue", "app": "mine"})["metadata"]["labels"]
    assert labels["team"] == "blue"
    assert labels["app"] == "containerized-data-importer"
