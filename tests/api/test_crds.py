"""The kinds as a real API server serves them: accepted, described, listed and stored as the reference's."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from cdi_operator.api.crd import KINDS
from tests.api.apiserver import ControlPlane

CDI = "cdi.kubevirt.io/v1beta1"
FORKLIFT = "forklift.cdi.kubevirt.io/v1beta1"
HTTP = {"http": {"url": "http://example.com/disk.img"}}
SIZE = {"resources": {"requests": {"storage": "1Gi"}}}
CLAIM = {"accessModes": ["ReadWriteOnce"], **SIZE}


def manifest(kind: str, spec: Any, name: str = "test", **more: Any) -> dict[str, Any]:
    group = FORKLIFT if kind.endswith("VolumePopulator") else CDI
    return {"apiVersion": group, "kind": kind, "metadata": {"name": name}, "spec": spec, **more}


def volume(**spec: Any) -> dict[str, Any]:
    return manifest("DataVolume", spec)


def cron(**spec: Any) -> dict[str, Any]:
    template = {"spec": {"source": {"registry": {"url": "docker://fedora"}}, "storage": SIZE}}
    return manifest("DataImportCron", {"template": template, "schedule": "0 3 * * *", "managedDataSource": "f", **spec})


def profile(*sets: dict[str, Any]) -> dict[str, Any]:
    return manifest("StorageProfile", {"claimPropertySets": list(sets)})


def overhead(share: str) -> dict[str, Any]:
    return manifest("CDIConfig", {"filesystemOverhead": {"global": share}})


def create(plane: ControlPlane, obj: dict[str, Any], *flags: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(plane.kubectl("create", "-f", "-", "-o", "json", *flags, stdin=json.dumps(obj)))
    return made


def test_every_kind_is_established_and_structural(control_plane: ControlPlane) -> None:
    served = json.loads(control_plane.kubectl("get", "crd", "-o", "json"))["items"]
    conditions = {
        each["metadata"]["name"]: {one["type"]: one["status"] for one in each["status"]["conditions"]}
        for each in served
    }
    wanted = {"NamesAccepted": "True", "Established": "True"}
    assert {kind.definition.name: conditions.get(kind.definition.name) for kind in KINDS} == {
        kind.definition.name: wanted for kind in KINDS
    }


ACCEPTED = {
    "http": volume(source=HTTP, pvc=CLAIM),
    "http, every field": volume(
        source={
            "http": {
                "url": "https://example.com/disk.img",
                "secretRef": "s",
                "certConfigMap": "c",
                "extraHeaders": ["X-A: b"],
                "secretExtraHeaders": ["s"],
                "checksum": "sha256:00",
                "insecureSkipVerify": True,
            }
        },
        storage=SIZE,
    ),
    "size as a number": volume(source=HTTP, storage={"resources": {"requests": {"storage": 1073741824}}}),
    "nonsense that only the webhook refuses": volume(source={**HTTP, "blank": {}}),
    "negative size, the webhook's as well": volume(source=HTTP, storage={"resources": {"requests": {"storage": "-1"}}}),
    "neither source nor claim": volume(),
    "upload": volume(source={"upload": {}}, storage={}),
    "rendered by the webhook": volume(source=HTTP, storage={"volumeMode": "FromStorageProfile"}),
    "vddk with checkpoints": volume(
        source={"vddk": {"initImageURL": "i", "uuid": "u"}},
        checkpoints=[{"previous": "", "current": "a"}],
        finalCheckpoint=True,
        storage=SIZE,
    ),
    "registry": volume(
        source={"registry": {"imageStream": "s", "pullMethod": "node", "platform": {"architecture": "arm64"}}}
    ),
    "clone": volume(source={"snapshot": {"namespace": "n", "name": "s"}}, contentType="kubevirt"),
    "sourceRef": volume(sourceRef={"kind": "DataSource", "name": "s"}, storage={}),
    "externally populated": volume(pvc={**CLAIM, "dataSourceRef": {"apiGroup": "a", "kind": "K", "name": "n"}}),
    "cron": cron(),
    "cron that is never due": cron(schedule="", garbageCollect="Never", importsToKeep=1, retentionPolicy="None"),
    "data source": manifest("DataSource", {"source": {"dataSource": {"namespace": "n", "name": "s"}}}),
    "data source of nothing": manifest("DataSource", {"source": {}}),
    "profile": profile({"accessModes": ["ReadWriteMany", "ReadWriteOncePod"], "volumeMode": "Block"}),
    "profile of nothing": manifest("StorageProfile", {}),
    "transfer": manifest(
        "ObjectTransfer", {"source": {"kind": "DataVolume", "namespace": "n", "name": "d"}, "target": {}}
    ),
    "import source": manifest("VolumeImportSource", {"source": HTTP, "contentType": "anything", "targetClaim": "c"}),
    "upload source": manifest("VolumeUploadSource", {}),
    "clone source": manifest("VolumeCloneSource", {"source": {"kind": "PersistentVolumeClaim", "name": "c"}}),
    "oVirt": manifest("OvirtVolumePopulator", {"engineUrl": "u", "secretRef": "s", "diskId": "d"}),
    "OpenStack": manifest("OpenstackVolumePopulator", {"identityUrl": "u", "secretRef": "s", "imageId": "i"}),
    "TLS": manifest("CDIConfig", {"tlsSecurityProfile": {"type": "Old", "old": None, "custom": None}}),
    "installation": manifest(
        "CDI",
        {
            "config": {"featureGates": ["HonorWaitForFirstConsumer"], "imagePullSecrets": [{"name": "s"}]},
            "infra": {"nodeSelector": {"kubernetes.io/os": "linux"}, "tolerations": [{"operator": "Exists"}]},
            "workload": {"affinity": {"podAntiAffinity": {}}},
            "customizeComponents": {"flags": {"api": {"v": "5"}}},
        },
    ),
    **{f"overhead {share}": overhead(share) for share in ("1", "0", "0.0", "0.055")},
}


@pytest.mark.parametrize("obj", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepted(control_plane: ControlPlane, obj: dict[str, Any]) -> None:
    create(control_plane, obj, "--dry-run=server")


REQUIRED = "Required value"
REJECTED = {
    "contentType": (
        volume(source=HTTP, pvc=CLAIM, contentType="test"),
        'spec.contentType: Unsupported value: "test": supported values: "kubevirt", "archive"',
    ),
    "no spec": ({"apiVersion": CDI, "kind": "DataVolume", "metadata": {"name": "test"}}, f"spec: {REQUIRED}"),
    "source of the wrong type": (volume(source="http"), "spec.source in body must be of type object"),
    "http without url": (volume(source={"http": {}}), f"spec.source.http.url: {REQUIRED}"),
    "gcs without url": (volume(source={"gcs": {"secretRef": "s"}}), f"spec.source.gcs.url: {REQUIRED}"),
    "imageio without disk": (volume(source={"imageio": {"url": "u"}}), f"spec.source.imageio.diskId: {REQUIRED}"),
    "clone without name": (volume(source={"pvc": {"namespace": "n"}}), f"spec.source.pvc.name: {REQUIRED}"),
    "sourceRef without kind": (volume(sourceRef={"name": "n"}), f"spec.sourceRef.kind: {REQUIRED}"),
    "size": (
        volume(source=HTTP, storage={"resources": {"requests": {"storage": "1GB?"}}}),
        "spec.storage.resources.requests.storage in body should match",
    ),
    "checkpoint": (volume(checkpoints=[{"current": "a"}]), f"spec.checkpoints[0].previous: {REQUIRED}"),
    "dataSource": (volume(pvc={"dataSource": {"name": "n"}}), f"spec.pvc.dataSource.kind: {REQUIRED}"),
    "misspelt field": (volume(sauce=HTTP), 'unknown field "spec.sauce"'),
    "cron without template": (manifest("DataImportCron", {"schedule": "", "managedDataSource": "f"}), "spec.template"),
    "cron's service account": (
        cron(serviceAccountName=""),
        "spec.serviceAccountName in body should be at least 1 chars",
    ),
    "data source": (manifest("DataSource", {}), f"spec.source: {REQUIRED}"),
    "profile's access mode": (profile({"accessModes": ["Any"], "volumeMode": "Block"}), "Illegal AccessMode"),
    "profile's volume mode": (profile({"accessModes": [], "volumeMode": "Tape"}), 'Unsupported value: "Tape"'),
    "profile without modes": (profile({"volumeMode": "Block"}), f"accessModes: {REQUIRED}"),
    "too many access modes": (
        profile({"accessModes": ["ReadWriteOnce"] * 5, "volumeMode": "Block"}),
        "must have at most 4 items",
    ),
    "too many sets": (
        profile(*[{"accessModes": ["ReadWriteOnce"], "volumeMode": "Block"}] * 9),
        "must have at most 8 items",
    ),
    "transfer": (manifest("ObjectTransfer", {"target": {}}), f"spec.source: {REQUIRED}"),
    "clone source": (manifest("VolumeCloneSource", {}), f"spec.source: {REQUIRED}"),
    "oVirt": (manifest("OvirtVolumePopulator", {"engineUrl": "u", "secretRef": "s"}), f"spec.diskId: {REQUIRED}"),
    "clone strategy": (
        manifest("CDI", {"cloneStrategyOverride": "fast"}),
        'supported values: "copy", "snapshot", "csi-clone"',
    ),
    "uninstall strategy": (
        manifest("CDI", {"uninstallStrategy": "Never"}),
        "spec.uninstallStrategy: Unsupported value",
    ),
    "pull policy": (manifest("CDI", {"imagePullPolicy": "Sometimes"}), "spec.imagePullPolicy: Unsupported value"),
    "patch of nothing": (
        manifest(
            "CDI",
            {"customizeComponents": {"patches": [{"resourceName": "", "resourceType": "D", "patch": "", "type": ""}]}},
        ),
        "resourceName in body should be at least 1 chars",
    ),
    "TLS version": (
        manifest("CDIConfig", {"tlsSecurityProfile": {"custom": {"ciphers": [], "minTLSVersion": "VersionTLS9"}}}),
        "spec.tlsSecurityProfile.custom.minTLSVersion: Unsupported value",
    ),
    **{
        f"overhead {share}": (overhead(share), "spec.filesystemOverhead.global in body should match")
        for share in ("abc", "1.abc", "1.0001", "inf", "-0.1")
    },
}


@pytest.mark.parametrize(("obj", "text"), REJECTED.values(), ids=REJECTED.keys())
def test_rejected(control_plane: ControlPlane, obj: dict[str, Any], text: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        create(control_plane, obj, "--dry-run=server")
    assert text in refused.value.stderr


@pytest.mark.parametrize(
    ("path", "texts"),
    [
        (
            "datavolume.spec.source.http",
            [
                "An image or archive on a web server.",
                "url\t<string> -required-",
                "Address of the file, http:// or https://",
            ],
        ),
        ("dv.status", ["DataVolumeStatus contains the current status of the DataVolume"]),
        ("dv.status", ["RestartCount is the number of times the pod populating the DataVolume has"]),
        ("CDI", ["CDIStatus defines the status of the installation"]),
        ("CDI.status", ["CDIStatus defines the status of the installation", "The desired version of the resource"]),
        ("CDIConfig", ["CDIConfigStatus provides the most recently observed status of the CDI"]),
        ("CDIConfig.status", ["The calculated upload proxy URL"]),
        ("storageprofile.spec.claimPropertySets", ["accessModes\t<[]string> -required-", "enum: Block, Filesystem"]),
    ],
)
def test_explained(control_plane: ControlPlane, path: str, texts: list[str]) -> None:
    explained = control_plane.kubectl("explain", path)
    assert [text for text in texts if text not in explained] == []


def test_short_names_and_categories(control_plane: ControlPlane) -> None:
    def served(*flags: str) -> set[str]:
        return set(control_plane.kubectl("api-resources", "--no-headers", "-o", "name", *flags).split())

    ours = {kind.definition.name for kind in KINDS}
    in_all = {kind.definition.name for kind in KINDS if kind.definition.categories == ("all",)}
    assert served("--categories=all") & ours == in_all
    assert {name.partition(".")[0] for name in in_all} == {"datavolumes", "datasources", "dataimportcrons"}
    for short in ("dv", "dvs", "das", "dic", "dics", "cdi", "cdis", "ot", "ots", "ovvp", "ovvps", "osvp", "osvps"):
        control_plane.kubectl("get", short, "--all-namespaces")


def test_columns_and_selection(control_plane: ControlPlane, namespace: str) -> None:
    inside = f"--namespace={namespace}"
    create(control_plane, {**volume(source=HTTP), "metadata": {"name": "done"}}, inside)
    create(control_plane, {**volume(source=HTTP), "metadata": {"name": "new"}}, inside)
    status = {"status": {"phase": "Succeeded", "progress": "100.0%", "restartCount": 3}}
    patch = ("patch", "dv", "done", inside, "--type=merge", "--subresource=status", "-p", json.dumps(status))
    control_plane.kubectl(*patch)
    header, row = control_plane.kubectl("get", "dv", "done", inside).splitlines()
    assert header.split() == ["NAME", "PHASE", "PROGRESS", "RESTARTS", "AGE"]
    assert row.split()[:4] == ["done", "Succeeded", "100.0%", "3"]
    selected = control_plane.kubectl("get", "dv", inside, "--field-selector=status.phase=Succeeded", "-o", "name")
    assert selected.split() == ["datavolume.cdi.kubevirt.io/done"]


@pytest.mark.parametrize(
    ("obj", "status", "kept"),
    [
        (volume(source=HTTP), {"phase": "Succeeded"}, False),
        (manifest("StorageProfile", {}), {"provisioner": "p"}, False),
        (manifest("DataSource", {"source": {}}), {"source": {"pvc": {"namespace": "n", "name": "p"}}}, True),
        (cron(), {"sourceFormat": "pvc"}, True),
        (manifest("CDIConfig", {}), {"preallocation": True}, True),
        (manifest("CDI", {}), {"phase": "Deployed"}, True),
    ],
    ids=lambda value: value.get("kind", "") if isinstance(value, dict) else "",
)
def test_whether_a_plain_patch_changes_status(
    control_plane: ControlPlane, namespace: str, obj: dict[str, Any], status: dict[str, Any], kept: bool
) -> None:
    """Clients rely on both: for kinds without the subresource the status is part of the object."""
    inside = f"--namespace={namespace}"
    made = create(control_plane, {**obj, "metadata": {"name": namespace}}, inside)
    patch = (
        "patch",
        made["kind"],
        namespace,
        inside,
        "--type=merge",
        "-o",
        "json",
        "-p",
        json.dumps({"status": status}),
    )
    assert json.loads(control_plane.kubectl(*patch)).get("status", {}) == (status if kept else {})
    control_plane.kubectl("delete", made["kind"], namespace, inside, "--wait=false")


def test_the_template_of_a_cron_loses_its_metadata(control_plane: ControlPlane) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {}}
    kept = create(control_plane, cron(template=template), "--dry-run=server", "--validate=false")
    assert kept["spec"]["template"]["metadata"] == {}


def test_the_old_version_of_the_installation_is_served_and_warned_of(control_plane: ControlPlane) -> None:
    old = {**manifest("CDI", {}), "apiVersion": "cdi.kubevirt.io/v1alpha1"}
    with pytest.raises(subprocess.CalledProcessError) as refused:
        create(control_plane, old, "--dry-run=server", "--warnings-as-errors")
    assert "cdi.kubevirt.io/v1alpha1 CDI is deprecated; use cdi.kubevirt.io/v1beta1" in refused.value.stderr
