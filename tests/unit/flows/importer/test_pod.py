"""The importer pod, whole (spec 3.4), and the job in it (importer_image.job)."""

import pytest

from cdi_operator.api import annotations as names
from cdi_operator.flows.actions import Create
from cdi_operator.flows.importer import observe, plan
from importer_image.job import Job
from tests.unit.flows.given import (
    CLAIM_UID,
    CSI,
    CSI_WAITS,
    HONOURS_WAIT,
    KEY,
    LOCAL,
    NAME,
    NS,
    PRIME,
    PRIME_KEY,
    PRIME_UID,
    SETTINGS,
    URL,
    VOLUME_UID,
    config,
    having,
    legacy,
    noted,
    obj,
    prime,
    target,
)
from tests.unit.world import NOW, World

RESOURCES = {"limits": {"cpu": "750m", "memory": "600M"}, "requests": {"cpu": "100m", "memory": "60M"}}
SECRET = {names.SECRET_NAME: "login"}
CERTS = {names.CERT_CONFIG_MAP: "ca"}
HEADERS = {f"{names.EXTRA_HEADERS}.{number}": f"X-{number}: v" for number in (0, 10, 2)}
SECRET_HEADERS = {f"{names.SECRET_EXTRA_HEADERS}.{number}": name for number, name in enumerate(("token", "other"))}


def made(*objects, key=KEY):
    world = World(*objects)
    actions = plan(observe(world, key), SETTINGS, NOW)
    assert [type(action) for action in actions] == [Create], actions
    return actions[0].object


def legacy_pod(annotations=None, **claim):
    return made(*LOCAL, HONOURS_WAIT, legacy("Bound", annotations, **claim))


def prime_pod(annotations=None, labels=None, **claim):
    wanted = having(target(), metadata={"labels": labels or {}})
    return made(*CSI, HONOURS_WAIT, wanted, prime("Bound", annotations, **claim), key=PRIME_KEY)


def job(pod):
    (variable,) = pod["spec"]["containers"][0]["env"]
    assert variable["name"] == "CDI_JOB"
    return Job.from_json(variable["value"])


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


def test_labels_are_those_of_the_claim_that_the_user_made():
    labels = prime_pod(labels={"team": "blue", "app": "mine"})["metadata"]["labels"]
    assert labels["team"] == "blue"
    assert labels["app"] == "containerized-data-importer"


def test_block_volume():
    pod = legacy_pod(spec={"volumeMode": "Block"})
    (container,) = pod["spec"]["containers"]
    assert container["volumeDevices"] == [{"name": "cdi-data-vol", "devicePath": "/dev/cdi-block-volume"}]
    assert container["volumeMounts"] == [{"name": "cdi-journal-vol", "mountPath": "/journal"}]
    assert pod["spec"]["volumes"][1:] == [{"name": "cdi-journal-vol", "emptyDir": {"sizeLimit": "16Mi"}}]
    assert job(pod).target.journal_dir == "/journal"


@pytest.mark.parametrize(
    ("annotations", "wanted"),
    [
        ({}, []),
        (SECRET, [("cdi-secret-vol", "/secret", {"secret": {"secretName": "login"}})]),
        (CERTS, [("cdi-cert-vol", "/certs", {"configMap": {"name": "ca"}})]),
        (
            SECRET_HEADERS,
            [
                ("cdi-secret-extra-headers-vol-0", "/extraheaders/0", {"secret": {"secretName": "token"}}),
                ("cdi-secret-extra-headers-vol-1", "/extraheaders/1", {"secret": {"secretName": "other"}}),
            ],
        ),
    ],
)
def test_secrets_and_certificates_are_mounted(annotations, wanted):
    spec = legacy_pod(annotations)["spec"]
    _, *mounts = spec["containers"][0]["volumeMounts"]
    _, *volumes = spec["volumes"]
    assert mounts == [{"name": name, "mountPath": path, "readOnly": True} for name, path, _ in wanted]
    assert volumes == [{"name": name, **source} for name, _, source in wanted]


@pytest.mark.parametrize(
    ("annotations", "field", "wanted"),
    [
        ({}, "kind", "http"),
        ({}, "url", URL),
        ({names.SOURCE: None}, "kind", "http"),
        ({names.SOURCE: "whatever"}, "kind", "http"),
        ({names.SOURCE: "none", names.ENDPOINT: None}, "kind", "blank"),
        ({names.SOURCE: "none", names.ENDPOINT: None}, "url", ""),
        ({}, "secret_dir", ""),
        (SECRET, "secret_dir", "/secret"),
        (CERTS, "ca_dirs", ("/certs",)),
        ({names.INSECURE_SKIP_VERIFY: "true"}, "insecure", True),
        ({names.INSECURE_SKIP_VERIFY: "false"}, "insecure", False),
        (HEADERS, "headers", ("X-0: v", "X-2: v", "X-10: v")),
        (SECRET_HEADERS, "secret_header_dirs", ("/extraheaders/0", "/extraheaders/1")),
        ({names.CHECKSUM: "md5:00"}, "checksum", "md5:00"),
    ],
)
def test_source_of_the_job(annotations, field, wanted):
    assert getattr(job(legacy_pod(annotations)).source, field) == wanted


@pytest.mark.parametrize(
    ("mode", "annotations", "wanted"),
    [
        ("Filesystem", {}, ("/data", "Filesystem", 1 << 30, "0.06", False)),
        ("Block", {}, ("/dev/cdi-block-volume", "Block", 1 << 30, "0", False)),
        ("Filesystem", {names.PREALLOCATION_REQUESTED: "true"}, ("/data", "Filesystem", 1 << 30, "0.06", True)),
    ],
)
def test_target_of_the_job(mode, annotations, wanted):
    to = job(legacy_pod(annotations, spec={"volumeMode": mode})).target
    assert (to.path, to.volume_mode, to.size_bytes, to.overhead, to.preallocate) == wanted


@pytest.mark.parametrize(
    ("overhead", "wanted"),
    [
        ({"global": "0.1"}, "0.1"),
        ({"global": "0.1", "storageClass": {"csi": "0.25"}}, "0.25"),
        ({"global": "0.1", "storageClass": {"other": "0.25"}}, "0.1"),
    ],
)
def test_overhead_of_the_class(overhead, wanted):
    pod = made(*LOCAL, config(filesystemOverhead=overhead), legacy("Bound"))
    assert job(pod).target.overhead == wanted


@pytest.mark.parametrize(
    ("pod", "wanted"),
    [
        (legacy_pod(), VOLUME_UID),
        (prime_pod(), VOLUME_UID),
        (legacy_pod(metadata={"ownerReferences": None}), CLAIM_UID),
        (made(*CSI_WAITS, having(target(), metadata={"ownerReferences": None}), prime(), key=PRIME_KEY), CLAIM_UID),
    ],
    ids=["DataVolume", "populator", "claim by hand", "populator of a claim by hand"],
)
def test_owner_in_the_progress_metric(pod, wanted):
    assert job(pod).owner_uid == wanted


def test_a_claim_made_by_hand_needs_only_the_endpoint():
    hand_made = having(noted(legacy("Bound"), {names.SOURCE: None}), metadata={"ownerReferences": None})
    assert job(made(*LOCAL, hand_made)).source.url == URL
