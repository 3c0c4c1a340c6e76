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


def helm(*arguments: str) -> str:
    done = subprocess.run([render.helm(), *arguments], text=True, capture_output=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def rendered(*settings: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Every object of the chart by kind and name."""
    values = [f"--set={setting}" for setting in settings]
    text = helm("template", "cdi", str(render.CHART), "--kube-version", "1.36.0", "--namespace", NAMESPACE, *values)
    objects = [obj for obj in yaml.safe_load_all(text) if obj]
    return {(obj["kind"], obj["metadata"]["name"]): obj for obj in objects}


def container(*settings: str) -> dict[str, Any]:
    deployment = rendered(*settings)["Deployment", "cdi-deployment"]
    first: dict[str, Any] = deployment["spec"]["template"]["spec"]["containers"][0]
    return first


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("controller.replica=3", "replica"),
        ("controller.replicas=0", "replicas"),
        ("controller.verbosity=10", "verbosity"),
        ("images.operator.tag=latest", "tag"),
        ("images.pullPolicy=Sometimes", "pullPolicy"),
        ("crds.keep=maybe", "keep"),
        ("config.featureGates=HonorWaitForFirstConsumer", "featureGates"),
        ("config.filesystemOverhead.global=6%", "global"),
        ("config.prealocation=true", "prealocation"),
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
    assert container("controller.verbosity=3")["args"] == ["-v=3"]
    assert ("PodDisruptionBudget", "cdi-deployment") in rendered()
    assert ("PodDisruptionBudget", "cdi-deployment") not in rendered("controller.replicas=1")
    assert "Namespace" not in {kind for kind, _ in rendered()}


@pytest.mark.parametrize(
    ("settings", "policy"),
    [((), "keep"), (("crds.keep=false",), None)],
)
def test_users_data_outlives_the_chart_unless_said_otherwise(settings: tuple[str, ...], policy: str | None) -> None:
    kind = rendered(*settings)["CustomResourceDefinition", "datavolumes.cdi.kubevirt.io"]
    assert kind["metadata"]["annotations"].get("helm.sh/resource-policy") == policy


def test_every_pod_is_restricted() -> None:
    """The Pod Security standard `restricted`, and a root that cannot be written."""
    pod = rendered()["Deployment", "cdi-deployment"]["spec"]["template"]["spec"]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container()["securityContext"] == {
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
        ("yes", "create", "pods", "anyone"),
        ("yes", "patch", "persistentvolumes", ""),
        ("yes", "patch", "datavolumes.cdi.kubevirt.io/status", "anyone"),
        ("yes", "update", "leases.coordination.k8s.io/cdi-controller-leader-election-helper", NAMESPACE),
        ("no", "update", "leases.coordination.k8s.io/another", NAMESPACE),
        ("no", "update", "leases.coordination.k8s.io/cdi-controller-leader-election-helper", "anyone"),
        ("no", "get", "secrets", NAMESPACE),
        ("no", "get", "secrets", "anyone"),
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
