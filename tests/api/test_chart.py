"""The chart: what it refuses, what it makes of its values, and what the controller may do where it is installed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from manifests import render
from tests.api.apiserver import ControlPlane

NAMESPACE = "chart"
CONTROLLER = f"system:serviceaccount:{NAMESPACE}:cdi-sa"
APISERVER = f"system:serviceaccount:{NAMESPACE}:cdi-apiserver"
HOOKS = {
    # name: (path, resources, operations, failurePolicy, timeout in seconds), spec 7.1
    "cdi-api-datavolume-validate": ("datavolume-validate", "datavolumes", "CREATE UPDATE", "Fail", 30),
    "cdi-api-dataimportcron-validate": ("dataimportcron-validate", "dataimportcrons", "CREATE UPDATE", "Fail", 30),
    "cdi-api-populator-validate": (
        "populator-validate",
        "volumeimportsources volumeuploadsources",
        "CREATE UPDATE",
        "Fail",
        30,
    ),
    "cdi-api-validate": ("cdi-validate", "cdis", "DELETE", "Ignore", 30),
    "objecttransfer-api-validate": ("objecttransfer-validate", "objecttransfers", "CREATE UPDATE", "Fail", 30),
    "cdi-api-pvc-mutate": ("pvc-mutate", "persistentvolumeclaims", "CREATE", "Fail", 10),
}


def helm(*arguments: str) -> str:
    done = subprocess.run([render.helm(), *arguments], text=True, capture_output=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def rendered(*settings: str, kinds: tuple[str, ...] = ()) -> dict[tuple[str, str], dict[str, Any]]:
    """Every object of the chart by kind and name; `kinds`: groups that the cluster has besides Kubernetes' own."""
    values = [f"--set={setting}" for setting in settings] + [f"--api-versions={kind}" for kind in kinds]
    text = helm("template", "cdi", str(render.CHART), "--kube-version", "1.36.0", "--namespace", NAMESPACE, *values)
    objects = [obj for obj in yaml.load_all(text, Loader=yaml.CSafeLoader) if obj]
    return {(obj["kind"], obj["metadata"]["name"]): obj for obj in objects}


def container(*settings: str, name: str = "cdi-deployment") -> dict[str, Any]:
    deployment = rendered(*settings)["Deployment", name]
    first: dict[str, Any] = deployment["spec"]["template"]["spec"]["containers"][0]
    return first


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("controller.replica=3", "replica"),
        ("controller.replicas=0", "replicas"),
        ("controller.verbosity=10", "verbosity"),
        ("apiserver.replicas=0", "replicas"),
        ("images.operator.tag=latest", "tag"),
        ("images.pullPolicy=Sometimes", "pullPolicy"),
        ("crds.keep=maybe", "keep"),
        ("config.featureGates=HonorWaitForFirstConsumer", "featureGates"),
        ("config.filesystemOverhead.global=6%", "global"),
        ("config.prealocation=true", "prealocation"),
        ("transfers.maxConcurrent=-1", "maxConcurrent"),
        ("workers.labels.team=a b", "team"),
        ("workers.labels.-team=a", "-team"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_it(setting: str, words: str) -> None:
    with pytest.raises(RuntimeError, match=words):
        rendered(setting)


def test_clients_find_the_importer_image_in_the_first_container() -> None:
    """Spec 8.2."""
    environment = {each["name"]: each.get("value") for each in container("images.importer.tag=v9")["env"]}
    assert environment["IMPORTER_IMAGE"] == "localhost/cdi-importer:v9"


def test_what_a_value_becomes() -> None:
    environment = {each["name"]: each.get("value") for each in container("config.preallocation=true")["env"]}
    assert yaml.safe_load(environment["CDI_CONFIG"] or "") == {
        "featureGates": ["HonorWaitForFirstConsumer"],
        "preallocation": True,
    }
    assert environment["CDI_CONFIG_ANNOTATIONS"] == "{}"
    assert container("controller.verbosity=3")["args"] == ["-v=3"]
    assert container("apiserver.verbosity=3", name="cdi-apiserver")["args"] == ["-v=3"]
    assert "Namespace" not in {kind for kind, _ in rendered()}


@pytest.mark.parametrize(("part", "name"), [("controller", "cdi-deployment"), ("apiserver", "cdi-apiserver")])
def test_replicas(part: str, name: str) -> None:
    """With one there is nothing to keep: a budget would only hold up who empties the node."""
    assert rendered()["Deployment", name]["spec"]["replicas"] == 2
    budget = rendered()["PodDisruptionBudget", name]["spec"]
    assert budget["selector"] == rendered()["Deployment", name]["spec"]["selector"]
    assert ("PodDisruptionBudget", name) not in rendered(f"{part}.replicas=1")


def test_what_the_api_server_asks() -> None:
    found = {name: obj for (kind, name), obj in rendered().items() if kind.endswith("WebhookConfiguration")}
    assert {name: asked(obj) for name, obj in found.items()} == HOOKS


def asked(configuration: dict[str, Any]) -> tuple[str, str, str, str, int]:
    [hook] = configuration["webhooks"]
    [rule], service = hook["rules"], hook["clientConfig"]["service"]
    assert hook["name"] == f"{service['path'][1:]}.cdi.kubevirt.io"
    assert (service["name"], service["namespace"]) == ("cdi-api", NAMESPACE)
    assert (hook["matchPolicy"], hook["sideEffects"]) == ("Exact", "None")
    assert hook["admissionReviewVersions"] == ["v1", "v1beta1"]
    words = " ".join(rule["resources"]), " ".join(rule["operations"])
    return service["path"][1:], *words, hook["failurePolicy"], hook["timeoutSeconds"]


def test_rendering_of_claims_can_be_switched_off() -> None:
    assert ("MutatingWebhookConfiguration", "cdi-api-pvc-mutate") not in rendered("config.webhookPvcRendering=Disabled")


def test_what_becomes_annotations_of_the_settings() -> None:
    chosen = container(
        "transfers.maxConcurrent=3",
        "transfers.maxConcurrentPerNode=0",
        "workers.labels.team=a",
        "workers.annotations.b=c",
    )
    environment = {each["name"]: each.get("value") for each in chosen["env"]}
    assert json.loads(environment["CDI_CONFIG_ANNOTATIONS"] or "") == {
        "cdi.kubevirt.io/maxConcurrentTransfers": "3",
        "cdi.kubevirt.io/maxConcurrentTransfersPerNode": "0",
        "cdi.kubevirt.io/workerLabels": '{"team":"a"}',
        "cdi.kubevirt.io/workerAnnotations": '{"b":"c"}',
    }


@pytest.mark.parametrize(
    ("settings", "policy"),
    [((), "keep"), (("crds.keep=false",), None)],
)
def test_users_data_outlives_the_chart_unless_said_otherwise(settings: tuple[str, ...], policy: str | None) -> None:
    kind = rendered(*settings)["CustomResourceDefinition", "datavolumes.cdi.kubevirt.io"]
    assert kind["metadata"]["annotations"].get("helm.sh/resource-policy") == policy


MONITORING = {("ServiceMonitor", "service-monitor-cdi"), ("PrometheusRule", "prometheus-cdi-rules")}


@pytest.mark.parametrize(
    ("install", "has_operator", "wanted"),
    [
        ("auto", False, False),
        ("auto", True, True),
        ("always", False, True),
        ("never", True, False),
    ],
)
def test_prometheus_is_told_where_it_is(install: str, has_operator: bool, wanted: bool) -> None:
    kinds = ("monitoring.coreos.com/v1",) if has_operator else ()
    made = rendered(f"monitoring.install={install}", kinds=kinds)
    assert made.keys() >= MONITORING if wanted else not MONITORING & made.keys()


def test_alerts_are_labelled_as_the_reference_labels_them() -> None:
    """Spec 9."""
    rule = rendered("monitoring.install=always", "partOf=kubevirt")["PrometheusRule", "prometheus-cdi-rules"]
    assert rule["metadata"]["labels"].items() >= {"cdi.kubevirt.io": "", "prometheus.cdi.kubevirt.io": "true"}.items()
    recorded, alerts = rule["spec"]["groups"]
    assert (recorded["name"], alerts["name"]) == ("recordingRules.rules", "alerts.rules")
    assert {row["record"] for row in recorded["rules"]} == {
        name
        for kind in ("import", "upload", "clone")
        for name in (f"kubevirt_cdi_{kind}_pods_high_restart", f"cluster:kubevirt_cdi_{kind}_pods_high_restart:count")
    }
    severities = {row["alert"]: (row["for"], row["labels"]["severity"]) for row in alerts["rules"]}
    assert severities == {
        "CDIDataVolumeUnusualRestartCount": ("5m", "warning"),
        "CDIStorageProfilesIncomplete": ("5m", "info"),
        "CDINoDefaultStorageClass": ("5m", "warning"),
        "CDIMultipleDefaultVirtStorageClasses": ("5m", "warning"),
        "CDIDefaultStorageClassDegraded": ("5m", "warning"),
    }
    for row in alerts["rules"]:
        assert row["annotations"]["runbook_url"] == f"https://kubevirt.io/monitoring/runbooks/{row['alert']}"
        assert row["annotations"]["summary"]
        assert (
            row["labels"].items()
            >= {
                "operator_health_impact": "none",
                "kubernetes_operator_part_of": "kubevirt",
                "kubernetes_operator_component": "containerized-data-importer",
            }.items()
        )


@pytest.mark.parametrize("name", ["cdi-deployment", "cdi-apiserver"])
def test_every_pod_is_restricted(name: str) -> None:
    """The Pod Security standard `restricted`, and a root that cannot be written."""
    pod = rendered()["Deployment", name]["spec"]["template"]["spec"]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container(name=name)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_settings_are_those_of_the_kind() -> None:
    schema = json.loads((render.CHART / "values.schema.json").read_text())
    kind = yaml.safe_load((render.CHART / "files" / "crds" / "cdi.kubevirt.io_cdiconfigs.yaml").read_text())
    spec = kind["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    assert sorted(schema["properties"]["config"]["properties"]) == sorted(spec)


def test_the_plain_manifests_apply(control_plane: ControlPlane) -> None:
    control_plane.kubectl("create", "namespace", "cdi")
    command = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", f"--filename={render.PLAIN}")
    assert "deployment.apps/cdi-deployment serverside-applied" in control_plane.kubectl(*command)


@pytest.fixture(scope="module")
def installed(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """The kinds are there already, and not helm's."""
    here = ("--kubeconfig", str(control_plane.kubeconfig), "--namespace", NAMESPACE)
    with pytest.raises(RuntimeError, match="invalid ownership metadata"):
        helm("install", "cdi", str(render.CHART), *here, "--create-namespace")
    helm("install", "cdi", str(render.CHART), *here, "--create-namespace", "--take-ownership")
    yield control_plane
    helm("uninstall", "cdi", *here)
    assert "datavolumes.cdi.kubevirt.io" in control_plane.kubectl("get", "crds", "--output=name")
    left = control_plane.kubectl(
        "get", "clusterroles,clusterrolebindings", "--selector=app.kubernetes.io/instance=cdi", "--output=name"
    )
    assert left == ""


@pytest.mark.parametrize(
    ("allowed", "verb", "resource", "namespace"),
    [
        (
            "yes",
            "patch",
            "validatingwebhookconfigurations.admissionregistration.k8s.io/cdi-api-datavolume-validate",
            "",
        ),
        ("no", "patch", "validatingwebhookconfigurations.admissionregistration.k8s.io/somebody-elses", ""),
        ("no", "create", "validatingwebhookconfigurations.admissionregistration.k8s.io", ""),
        ("yes", "patch", "secrets/cdi-apiserver-signer", NAMESPACE),
        ("yes", "create", "secrets", NAMESPACE),
        ("no", "create", "secrets", "anyone"),
        ("no", "get", "secrets/cdi-apiserver-signer", "anyone"),
        ("yes", "create", "pods", "anyone"),
        ("yes", "patch", "persistentvolumes", ""),
        ("yes", "patch", "datavolumes.cdi.kubevirt.io/status", "anyone"),
        ("yes", "update", "leases.coordination.k8s.io/cdi-controller-leader-election-helper", NAMESPACE),
        ("no", "update", "leases.coordination.k8s.io/another", NAMESPACE),
        ("no", "update", "leases.coordination.k8s.io/cdi-controller-leader-election-helper", "anyone"),
        # the upload proxy's certificate; whatever it reads, only certificates are kept of it
        ("yes", "list", "secrets", NAMESPACE),
        ("no", "get", "secrets", "anyone"),
        ("yes", "get", "configmaps", "anyone"),
        ("no", "list", "configmaps", "anyone"),
        ("yes", "create", "tokenreviews.authentication.k8s.io", ""),
        ("yes", "patch", "cdis.cdi.kubevirt.io", ""),
        ("no", "delete", "cdis.cdi.kubevirt.io", ""),
        ("no", "create", "pods/exec", "anyone"),
        ("yes", "patch", "pods", "anyone"),
        ("no", "create", "datavolumes.cdi.kubevirt.io", "anyone"),
        ("no", "delete", "datavolumes.cdi.kubevirt.io", "anyone"),
        ("no", "delete", "persistentvolumes", ""),
        ("no", "create", "clusterroles.rbac.authorization.k8s.io", ""),
    ],
)
def test_what_the_controller_may_do(
    installed: ControlPlane, allowed: str, verb: str, resource: str, namespace: str
) -> None:
    where = [f"--namespace={namespace}"] if namespace else []
    command = ("auth", "can-i", verb, *resource_of(resource), f"--as={CONTROLLER}", *where)
    assert answer(installed, *command) == allowed


@pytest.mark.parametrize(
    ("allowed", "verb", "resource", "namespace"),
    [
        ("yes", "get", "secrets/cdi-apiserver-server-cert", NAMESPACE),
        ("no", "get", "secrets/cdi-apiserver-signer", NAMESPACE),
        ("no", "get", "secrets", NAMESPACE),
        ("yes", "get", "persistentvolumeclaims", "anyone"),
        ("no", "list", "persistentvolumeclaims", "anyone"),
        ("no", "create", "persistentvolumeclaims", "anyone"),
        ("no", "patch", "datavolumes.cdi.kubevirt.io", "anyone"),
    ],
)
def test_what_the_webhooks_may_do(
    installed: ControlPlane, allowed: str, verb: str, resource: str, namespace: str
) -> None:
    command = ("auth", "can-i", verb, resource, f"--as={APISERVER}", f"--namespace={namespace}")
    assert answer(installed, *command) == allowed


def resource_of(text: str) -> tuple[str, ...]:
    """kubectl takes `TYPE/NAME`, and a subresource as a flag."""
    kind, _, rest = text.partition("/")
    return (kind, f"--subresource={rest}") if rest in ("status", "exec") else (text,)


def answer(plane: ControlPlane, *command: str) -> str:
    """`kubectl auth can-i` exits with 1 when the answer is no."""
    try:
        return plane.kubectl(*command).strip()
    except subprocess.CalledProcessError as no:
        return str(no.stdout).strip()
