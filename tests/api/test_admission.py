"""Admission as a user meets it: kubectl, a real API server, our server behind the webhooks of the chart.

The controller issues the certificates and tells the API server whom to trust; the Service leads to this machine, where
the server runs as a process of its own.
"""

from __future__ import annotations

import json
import secrets
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from cdi_operator.api import annotations as names
from cdi_operator.cluster.client import Client
from cdi_operator.flows.actions import Ref
from tests.api.admission import (
    BLANK,
    CLASS,
    GIB_WITH_OVERHEAD,
    LABEL,
    NAMESPACE,
    Admission,
    claim_that_asks,
    configurations,
    of_kind,
    volume,
)
from tests.api.apiserver import ControlPlane
from tests.api.conftest import eventually
from tests.api.controller import ControllerProcess
from tests.api.objects import CLAIM, claim, csi_driver, data_volume, storage_class
from tests.ports import free_ports


@pytest.fixture(scope="module")
def admission(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admission]:
    directory = tmp_path_factory.mktemp("admission")
    control_plane.kubectl("create", "namespace", NAMESPACE)
    external = {"type": "ExternalName", "externalName": "localhost"}
    [port] = free_ports(1)
    hooks = configurations(port)
    server = Admission(control_plane, directory, port)
    controller = ControllerProcess(str(control_plane.kubeconfig), NAMESPACE, directory, "issuer")
    given = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "cdi-api", "namespace": NAMESPACE},
            "spec": external,
        },
        csi_driver(),
        storage_class(CLASS),
    ]
    try:
        for obj in (*given, *hooks):
            control_plane.kubectl("apply", "--filename=-", stdin=json.dumps(obj))
        yield server
    finally:
        # Whatever the others of these tests make must not be asked about.
        for hook in hooks:
            control_plane.kubectl("delete", hook["kind"], hook["metadata"]["name"], "--ignore-not-found")
        server.end()
        controller.end()
        control_plane.clear(NAMESPACE)


@pytest.fixture(autouse=True)
async def works(admission: Admission) -> None:
    await eventually(lambda: admission.answers, 60)
    await eventually(lambda: "created (server dry run)" in admission.create(data_volume(NAMESPACE)))


PVC = data_volume(NAMESPACE)["spec"]["pvc"]
CRON = {
    "template": {"spec": {"source": {"registry": {"url": "docker://quay.io/debian"}}, "pvc": PVC}},
    "schedule": "0 3 * * *",
    "managedDataSource": "debian",
}
MOVE = {"kind": "DataVolume", "namespace": NAMESPACE, "name": "disk"}


@pytest.mark.parametrize(
    ("asked", "denied_by", "text"),
    [
        (volume(source={}), "datavolume", "Missing Data volume source"),
        (volume(source={**BLANK, "upload": {}}), "datavolume", "Multiple Data volume sources"),
        (
            volume(source=BLANK, contentType="archive"),
            "datavolume",
            "SourceType cannot be blank and the contentType be archive",
        ),
        (volume(source={"http": {"url": "nowhere"}}), "datavolume", "spec.source Invalid source URL: nowhere"),
        (volume(pvc={**PVC, "accessModes": []}), "datavolume", "Required value: at least 1 access mode is required"),
        (volume(pvc={"accessModes": ["ReadWriteOnce"]}), "datavolume", "PVC size is missing"),
        (volume(storage={}), "datavolume", "Duplicate storage definition, both target storage and target pvc defined"),
        (of_kind("DataImportCron", "cron", **{**CRON, "schedule": "daily"}), "dataimportcron", "Illegal cron schedule"),
        (of_kind("VolumeImportSource", "src"), "populator", "Missing VolumeImport source"),
        (
            of_kind("VolumeUploadSource", "src", contentType="iso"),
            "populator",
            "ContentType not one of: kubevirt, archive",
        ),
    ],
)
def test_refused_in_the_words_that_clients_read(admission: Admission, asked: Any, denied_by: str, text: str) -> None:
    printed = admission.create(asked)
    assert f'admission webhook "{denied_by}-validate.cdi.kubevirt.io" denied the request:  {text}' in printed


@pytest.mark.parametrize(
    "asked",
    [
        volume(),
        of_kind("DataImportCron", "cron", **CRON),
        of_kind("VolumeImportSource", "src", source=BLANK),
        of_kind("VolumeUploadSource", "src"),
    ],
)
def test_what_is_in_order_passes(admission: Admission, asked: Any) -> None:
    assert "created (server dry run)" in admission.create(asked)


@pytest.mark.parametrize(
    ("source", "target", "text"),
    [
        (MOVE, {}, "Target namespace and/or target name must be supplied"),
        ({**MOVE, "kind": "VolumeSnapshot"}, {"name": "x"}, 'Unsupported kind "VolumeSnapshot"'),
        (MOVE, {"name": "there"}, f'ObjectTransfer target "{NAMESPACE}/there" already exists'),
    ],
)
def test_object_transfers(admission: Admission, source: Any, target: Any, text: str) -> None:
    admission.kubectl("create", "--filename=-", obj=volume("there"))
    printed = admission.create(of_kind("ObjectTransfer", "move", source=source, target=target))
    assert f'admission webhook "objecttransfer-validate.cdi.kubevirt.io" denied the request: {text}' in printed


def test_an_object_transfer_warns(admission: Admission) -> None:
    command = ("create", "--filename=-", "--dry-run=server", "--warnings-as-errors")
    printed = admission.kubectl(*command, obj=of_kind("ObjectTransfer", "move", source=MOVE, target={"name": "new"}))
    assert "Warning: ObjectTransfer feature is deprecated, and will be deleted soon" in printed


def test_a_spec_does_not_change(admission: Admission) -> None:
    admission.kubectl("create", "--filename=-", obj=volume("fixed"))
    patch = ("patch", "datavolume", "fixed", "--type=merge", "--patch")
    assert "Cannot update DataVolume Spec" in admission.kubectl(*patch, '{"spec": {"preallocation": true}}')
    same = '{"spec": {"pvc": {"resources": {"requests": {"storage": "1024Mi"}}}, "finalCheckpoint": false}}'
    assert "patched" in admission.kubectl(*patch, same), "a client in Go would write it like that"


async def test_a_claim_of_its_name(admission: Admission, client: Client) -> None:
    await client.create(claim(NAMESPACE, "taken"))
    assert f"Destination PVC {NAMESPACE}/taken already exists" in admission.create(volume("taken"))
    adopting = volume("taken")
    adopting["metadata"]["annotations"] = {names.ALLOW_CLAIM_ADOPTION: "true"}
    assert "created (server dry run)" in admission.create(adopting)


async def test_an_installation_with_volumes_stays(admission: Admission, client: Client) -> None:
    cdi = of_kind("CDI", "cdi", uninstallStrategy="BlockUninstallIfWorkloadsExist")
    await client.create({**cdi, "status": {"phase": "Deployed"}})
    try:
        await client.create(volume("workload"))
        printed = admission.kubectl("delete", "cdi", "cdi")
        assert "rejecting the uninstall request, since there are still" in printed
        assert "Either delete all DataVolumes or change the uninstall strategy before uninstalling CDI" in printed
    finally:
        await client.patch(Ref(names.API_VERSION, "CDI", "cdi"), {"spec": {"uninstallStrategy": "RemoveWorkloads"}})
        assert "deleted" in admission.kubectl("delete", "cdi", "cdi")


# Claims --------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def profile(client: Client) -> None:
    """The class can do block volumes, and filesystems."""
    sets = [
        {"accessModes": ["ReadWriteMany"], "volumeMode": "Block"},
        {"accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem"},
    ]
    await client.apply(of_kind("StorageProfile", CLASS, claimPropertySets=sets))

    async def known() -> bool:
        found = await client.get("StorageProfile", CLASS)
        return bool(found and (found.get("status") or {}).get("claimPropertySets") == sets)

    await eventually(known)


@pytest.mark.usefixtures("profile")
@pytest.mark.parametrize(
    ("asked", "access_mode", "mode", "size"),
    [
        ({"volumeMode": "FromStorageProfile"}, "ReadWriteMany", "Block", "1Gi"),
        ({"volumeMode": "Block"}, "ReadWriteMany", "Block", "1Gi"),
        # Before anybody is asked, the API server has made it a Filesystem.
        ({}, "ReadWriteOnce", "Filesystem", GIB_WITH_OVERHEAD),
        ({"volumeMode": "Block", "accessModes": ["ReadWriteOnce"]}, "ReadWriteOnce", "Block", "1Gi"),
    ],
)
async def test_a_claim_with_the_label_is_rendered(
    admission: Admission, client: Client, asked: Any, access_mode: str, mode: str, size: str
) -> None:
    made = await client.create(claim_that_asks(f"labelled-{secrets.token_hex(4)}", **asked))
    spec = made["spec"]
    assert (spec["accessModes"], spec["volumeMode"]) == ([access_mode], mode)
    assert spec["resources"]["requests"]["storage"] == size


def test_a_claim_that_cannot_be_rendered(admission: Admission) -> None:
    denied = 'admission webhook "pvc-mutate.cdi.kubevirt.io" denied the request: '
    printed = admission.create(claim_that_asks("lost", storageClassName="gone", volumeMode="FromStorageProfile"))
    assert f"{denied}PVC spec is missing accessMode and no storageClass to choose profile" in printed
    printed = admission.create(claim_that_asks("lost", resources={}, volumeMode="FromStorageProfile"))
    assert f"{denied}PVC Spec is not valid - missing storage size" in printed
    reference = {"apiGroup": names.GROUP, "kind": "VolumeCloneSource", "name": "src"}
    printed = admission.create(claim_that_asks("lost", resources={}, dataSourceRef=reference))
    assert f"{denied}cannot detect the required pvc size" in printed


@pytest.mark.usefixtures("profile")
async def test_the_claim_of_a_volume_with_the_label(admission: Admission, client: Client) -> None:
    asked = volume("by-label", labels=LABEL, source=BLANK)
    asked["spec"].pop("pvc")
    asked["spec"]["storage"] = {"storageClassName": CLASS, "resources": {"requests": {"storage": "1Gi"}}}
    await client.create(asked)

    async def there() -> bool:
        return await client.get(CLAIM, "by-label", NAMESPACE) is not None

    await eventually(there)
    made = await client.get(CLAIM, "by-label", NAMESPACE)
    assert made is not None
    assert (made["spec"]["accessModes"], made["spec"]["volumeMode"]) == (["ReadWriteMany"], "Block")
    assert made["spec"]["dataSourceRef"]["kind"] == "VolumeImportSource"


async def test_what_the_webhook_refuses_the_volume_tells(admission: Admission, client: Client) -> None:
    asked = volume("told", labels=LABEL, source=BLANK)
    asked["spec"].pop("pvc")
    asked["spec"]["storage"] = {"storageClassName": "gone", "resources": {"requests": {"storage": "1Gi"}}}
    await client.create(asked)

    async def told() -> bool:
        found = await client.get("DataVolume", "told", NAMESPACE)
        conditions = {each["type"]: each for each in ((found or {}).get("status") or {}).get("conditions") or ()}
        bound = conditions.get("Bound", {})
        words = "PVC spec is missing accessMode and no storageClass to choose profile"
        return bound.get("reason") == "ErrClaimNotValid" and words in bound.get("message", "")

    await eventually(told)


@pytest.mark.usefixtures("profile")
async def test_rendering_can_be_switched_off(admission: Admission, client: Client) -> None:
    config = Ref(names.API_VERSION, "CDIConfig", "config")
    await client.patch(config, {"spec": {"webhookPvcRendering": "Disabled"}})
    try:
        printed = admission.create(claim_that_asks("plain", volumeMode="Block"))
        assert "spec.accessModes: Required value" in printed, "as without us"
    finally:
        await client.patch(config, {"spec": {"webhookPvcRendering": None}})


# Certificates and TLS ------------------------------------------------------------------------------------------------


async def test_a_certificate_that_ends_is_replaced_while_it_serves(admission: Admission, client: Client) -> None:
    """Spec 8.4: for the editor of the annotation, a new certificate within 2 minutes and without a restart."""
    shown = admission.shown()
    past = {"annotations": {names.CERTIFICATE_NOT_AFTER: "2020-01-01T00:00:00Z"}}
    for secret in ("cdi-apiserver-signer", "cdi-apiserver-server-cert"):
        await client.patch(Ref("v1", "Secret", secret, NAMESPACE), {"metadata": past})
    await eventually(lambda: admission.shown() != shown)
    await eventually(lambda: "created (server dry run)" in admission.create(volume()))
    bundle = await client.get("ConfigMap", "cdi-apiserver-signer-bundle", NAMESPACE)
    assert bundle is not None
    assert bundle["data"]["ca-bundle.crt"].count("BEGIN CERTIFICATE") == 2, "the old authority is trusted on"


@pytest.mark.parametrize("how", [(), ("--server-side", "--force-conflicts")], ids=["client-side", "server-side"])
def test_who_applies_the_manifests_again_leaves_the_trust_alone(admission: Admission, how: tuple[str, ...]) -> None:
    for hook in configurations(admission.port):
        hook["metadata"]["labels"]["again"] = "true"
        admission.plane.kubectl("apply", *how, "--filename=-", stdin=json.dumps(hook))
        found = json.loads(admission.plane.kubectl("get", hook["kind"], hook["metadata"]["name"], "--output=json"))
        assert found["metadata"]["labels"]["again"] == "true"
        assert found["webhooks"][0]["clientConfig"]["caBundle"]
    assert "created (server dry run)" in admission.create(volume())


async def test_a_signer_that_cannot_sign_is_replaced(admission: Admission, client: Client) -> None:
    shown = admission.shown()
    key = {"data": {"tls.key": "bm8ga2V5"}}
    past = {"metadata": {"annotations": {names.CERTIFICATE_NOT_AFTER: "2020-01-01T00:00:00Z"}}}
    await client.patch(Ref("v1", "Secret", "cdi-apiserver-signer", NAMESPACE), key)
    await client.patch(Ref("v1", "Secret", "cdi-apiserver-server-cert", NAMESPACE), past)
    await eventually(lambda: admission.shown() != shown)
    await eventually(lambda: "created (server dry run)" in admission.create(volume()))


async def test_a_tls_profile_holds_at_once(admission: Admission, client: Client) -> None:
    config = Ref(names.API_VERSION, "CDIConfig", "config")
    assert admission.speaks(ssl.TLSVersion.TLSv1_2)
    await client.patch(config, {"spec": {"tlsSecurityProfile": {"type": "Modern", "modern": {}}}})
    try:
        await eventually(lambda: not admission.speaks(ssl.TLSVersion.TLSv1_2), 10)
        assert admission.speaks(ssl.TLSVersion.TLSv1_3)
    finally:
        await client.patch(config, {"spec": {"tlsSecurityProfile": None}})
    await eventually(lambda: admission.speaks(ssl.TLSVersion.TLSv1_2), 10)


async def test_it_tells_more_when_asked_to(admission: Admission, client: Client) -> None:
    """Every answer is logged from verbosity 3 on; the process was started with that, and is told otherwise."""
    config = Ref(names.API_VERSION, "CDIConfig", "config")

    def tells() -> bool:
        before = admission.log.read_text().count('"message": "allowed"')
        admission.create(volume())
        return admission.log.read_text().count('"message": "allowed"') > before

    assert tells()
    await client.patch(config, {"spec": {"logVerbosity": 1}})
    try:
        await eventually(lambda: not tells())
    finally:
        await client.patch(config, {"spec": {"logVerbosity": None}})
    await eventually(tells)


# Nobody answers ------------------------------------------------------------------------------------------------------


async def test_while_nobody_answers_only_our_kinds_wait(admission: Admission, client: Client) -> None:
    """The last test of this module: afterwards there is no server any more."""
    admission.kubectl("create", "--filename=-", obj=volume("before"))
    admission.end()
    for refused in (volume("later"), of_kind("VolumeImportSource", "src", source=BLANK), claim_that_asks("labelled")):
        assert "failed calling webhook" in admission.create(refused), refused["kind"]
    await client.create(claim(NAMESPACE, "any"))
    pod = {"containers": [{"name": "main", "image": "any"}], "automountServiceAccountToken": False}
    others = (
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "any", "namespace": NAMESPACE}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "any", "namespace": NAMESPACE}, "spec": pod},
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "any-other"}},
        of_kind("DataSource", "any", source={}),
    )
    for obj in others:
        assert "created (server dry run)" in admission.create(obj), obj["kind"]
    assert "labeled" in admission.kubectl("label", "datavolume", "before", "team=blue")
    assert "deleted" in admission.kubectl("delete", "datavolume", "before", "--wait=false")
