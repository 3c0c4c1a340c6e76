"""StorageProfiles and CDIConfig of a real cluster: what its classes can do, and what users say about them."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from devcluster.kubectl import Kubectl, KubectlError, Object
from tests.e2e import manifests
from tests.e2e.installation import Installation
from tests.e2e.watch import Watch

pytestmark = pytest.mark.alone

ROOK = "rook-ceph.rbd.csi.ceph.com"
MODES = [("ReadWriteMany", "Block"), ("ReadWriteOnce", "Block"), ("ReadWriteOnce", "Filesystem")]
Make = Callable[..., str]


@pytest.fixture
def make_class(installation: Installation) -> Iterator[Make]:
    """Makes storage classes of the test's own; returns the name."""
    made = list[str]()

    def make(provisioner: str, **parameters: str) -> str:
        made.append(f"test-{secrets.token_hex(3)}")
        wanted = {"kind": "StorageClass", "metadata": {"name": made[-1]}, "provisioner": provisioner}
        installation.kubectl.create({"apiVersion": "storage.k8s.io/v1", **wanted, "parameters": parameters})
        return made[-1]

    yield make
    for name in made:
        installation.kubectl.delete("storageclass", name)


@pytest.fixture
def profiles(installation: Installation) -> Iterator[Watch]:
    with Watch(installation.kubectl, "storageprofiles") as watch:
        yield watch


def told(profiles: Watch, name: str, **wanted: Any) -> None:
    """Wait until the profile's status says this."""

    def says(now: dict[str, Object]) -> bool:
        status = now.get(name, {}).get("status") or {}
        return bool(status) and all(status.get(field) == value for field, value in wanted.items())

    profiles.until(says, f"{name} says {wanted}", 20)


def sets(*pairs: tuple[str, str]) -> list[Object]:
    return [{"accessModes": [access], "volumeMode": mode} for access, mode in pairs]


def reason(profiles: Watch, name: str) -> str:
    return str(profiles.now[name]["status"]["conditions"][0]["reason"])


def test_of_the_classes_that_are_there(profiles: Watch) -> None:
    known = {"provisioner": ROOK, "cloneStrategy": "csi-clone", "snapshotClass": "csi"}
    told(profiles, "csi", **known, claimPropertySets=sets(*MODES), dataImportCronSourceFormat="snapshot")
    assert reason(profiles, "csi") == "RecognizedProvisioner"
    told(profiles, "csi-noclone", cloneStrategy="copy", dataImportCronSourceFormat="pvc")
    assert "claimPropertySets" not in profiles.now["csi-noclone"]["status"]
    assert reason(profiles, "csi-noclone") == "UnrecognizedProvisioner"


def test_it_comes_and_goes_with_its_class(installation: Installation, profiles: Watch, make_class: Make) -> None:
    name = make_class("ebs.csi.aws.com", type="io2")
    told(profiles, name, claimPropertySets=sets(*MODES), cloneStrategy="copy")
    meta = profiles.now[name]["metadata"]
    assert meta["annotations"]["cdi.kubevirt.io/minimumSupportedPvcSize"] == "4Gi"
    assert meta["labels"]["app"] == "containerized-data-importer"
    installation.kubectl.delete("storageclass", name)
    profiles.until(lambda now: name not in now, "the profile is gone")


def test_what_the_user_says_holds(installation: Installation, profiles: Watch, make_class: Make) -> None:
    name = make_class("example.com/nobody")
    told(profiles, name, cloneStrategy="copy")
    mine = sets(("ReadWriteOnce", "Filesystem"))
    patch(installation.kubectl, name, {"claimPropertySets": mine, "cloneStrategy": "csi-clone"})
    told(profiles, name, claimPropertySets=mine, cloneStrategy="csi-clone")
    patch(installation.kubectl, name, {"claimPropertySets": None, "cloneStrategy": None})
    told(profiles, name, claimPropertySets=None, cloneStrategy="copy")
    with pytest.raises(KubectlError, match="Illegal AccessMode"):
        patch(installation.kubectl, name, {"claimPropertySets": sets(("ReadSometimes", "Block"))})


def patch(kubectl: Kubectl, name: str, spec: Object) -> None:
    kubectl("patch", "storageprofile", name, "--type=merge", f"--patch={json.dumps({'spec': spec})}")


def test_volumes_made_by_hand_tell_what_their_class_can_do(
    installation: Installation, profiles: Watch, make_class: Make
) -> None:
    name = make_class("kubernetes.io/no-provisioner")
    told(profiles, name, claimPropertySets=None)
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": name,
        "hostPath": {"path": "/nowhere"},
    }
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}
    installation.kubectl.create(volume)
    try:
        told(profiles, name, claimPropertySets=sets(("ReadWriteOnce", "Filesystem")))
    finally:
        installation.kubectl.delete("pv", name)
    told(profiles, name, claimPropertySets=None)


def test_the_upload_proxy_s_address_is_that_of_its_ingress(installation: Installation, tmp_path: Path) -> None:
    own, host = installation.own, f"upload-{secrets.token_hex(3)}.example.com"
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    subprocess.run(
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN={host} "
        f"-addext subjectAltName=DNS:{host} -out {certificate} -keyout {key}".split(),
        check=True,
        capture_output=True,
    )
    backend = {"service": {"name": "cdi-uploadproxy", "port": {"number": 443}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    spec = {"tls": [{"hosts": [host], "secretName": "test-tls"}], "rules": [{"host": host, "http": {"paths": [path]}}]}
    ingress = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "test-upload"}}
    # Others that lead nowhere, or elsewhere: they change nothing (spec 8.5).
    odd = {**ingress, "metadata": {"name": "test-odd"}, "spec": {"rules": [{"host": "odd.example.com"}]}}
    with Watch(installation.kubectl, "cdiconfigs") as configs:
        try:
            own("create", "secret", "tls", "test-tls", f"--cert={certificate}", f"--key={key}")
            own.create(odd, {**ingress, "spec": spec})
            configs.until(lambda now: address(now) == (host, certificate.read_text()), "the address is told", 20)
        finally:
            own.delete("ingress", "test-upload", "test-odd")
            own.delete("secret", "test-tls")
        configs.until(lambda now: address(now) == (None, None), "it goes with the Ingress", 20)


def address(configs: dict[str, Object]) -> tuple[str | None, str | None]:
    status = configs.get("config", {}).get("status") or {}
    return status.get("uploadProxyURL"), status.get("uploadProxyCA")


def test_the_config_has_every_class_and_is_the_installer_s(installation: Installation, make_class: Make) -> None:
    name = make_class("example.com/nobody")
    with Watch(installation.kubectl, "cdiconfigs") as configs:
        configs.until(lambda now: overheads(now).get(name) == "0.06", "the class has an overhead", 20)
        before = configs.now["config"]["spec"]
        edit = json.dumps({"spec": {"preallocation": True, "filesystemOverhead": {"global": "0.5"}}})
        installation.kubectl("patch", "cdiconfig", "config", "--type=merge", f"--patch={edit}")
        configs.until(lambda now: now["config"]["spec"] == before, "the edit is undone", 20)
        installation.kubectl.delete("storageclass", name)
        configs.until(lambda now: name not in overheads(now), "the class has gone from it", 20)


def overheads(configs: dict[str, Object]) -> dict[str, str]:
    status = configs.get("config", {}).get("status") or {}
    found: dict[str, str] = (status.get("filesystemOverhead") or {}).get("storageClass") or {}
    return found


def test_a_volume_without_modes_takes_those_of_the_profile(namespace: Kubectl, installation: Installation) -> None:
    asked = manifests.claim_spec("16Mi", storage_class="csi")
    namespace.apply(manifests.data_volume("blank", source={"blank": {}}, storage=asked))
    namespace.wait("dv/blank", "jsonpath={.status.phase}=Succeeded")
    spec = namespace.get("pvc", "blank")["spec"]
    assert (spec["accessModes"], spec["volumeMode"]) == (["ReadWriteMany"], "Block")
