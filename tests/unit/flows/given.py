"""What a flow finds: objects as the API shows them, each as short as its test can have it.

Everything lives in namespace `ns`. A DataVolume, its claim and the volume behind it are all called `disk`; uids are
`uid-` and the kind, so that a test can write down the names that are made of them.
"""

from typing import Any

from cdi_operator.api import annotations as names
from cdi_operator.flows.settings import Settings
from importer_image.job import IMPORT_COMPLETE, Report
from tests.unit.world import merge_patch

SETTINGS = Settings(namespace="cdi", importer_image="importer:1", part_of="kubevirt", version="1.2.3")
NS, NAME = "ns", "disk"
KEY = (NS, NAME)
VOLUME_UID, CLAIM_UID, PRIME_UID, POD_UID = "uid-dv", "uid-claim", "uid-prime", "uid-pod"
PRIME = f"prime-{CLAIM_UID}"
PRIME_KEY = (NS, PRIME)
SOURCE_NAME = f"volume-import-source-{VOLUME_UID}"
PV = "pv"
URL = "http://images.example.com/disk.qcow2"
HTTP = {"http": {"url": URL}}
BLANK: dict[str, Any] = {"blank": {}}
MADE_HERE = {names.CREATED_FOR_DATA_VOLUME: VOLUME_UID}
MADE_AT = "2025-06-01T11:00:00Z"
"""An hour before `world.NOW`: nothing is young unless a test says so."""


def obj(kind: str, name: str, uid: str = "", namespace: str = NS, api_version: str = "v1", **rest: Any) -> Any:
    metadata = {
        "name": name,
        **({"namespace": namespace} if namespace else {}),
        "uid": uid or f"uid-{kind.lower()}-{name}",
        "creationTimestamp": MADE_AT,
    }
    return merge_patch({"apiVersion": api_version, "kind": kind, "metadata": metadata}, rest)


def having(thing: Any, **patch: Any) -> Any:
    """The object, merged with a patch."""
    return merge_patch(thing, patch)


def noted(thing: Any, annotations: dict[str, str | None]) -> Any:
    return having(thing, metadata={"annotations": annotations})


def deleting(thing: Any, finalizer: str = "kubernetes.io/pvc-protection") -> Any:
    return having(thing, metadata={"deletionTimestamp": MADE_AT, "finalizers": [finalizer]})


def owned_by(thing: Any, kind: str, name: str, uid: str) -> Any:
    api_version = "v1" if kind == "PersistentVolumeClaim" else "cdi.kubevirt.io/v1beta1"
    owner = {"apiVersion": api_version, "kind": kind, "name": name, "uid": uid, "controller": True}
    return having(thing, metadata={"ownerReferences": [{**owner, "blockOwnerDeletion": True}]})


# The installation and the storage ---------------------------------------------------------------------------------


def config(*feature_gates: str, **status: Any) -> Any:
    spec = {"featureGates": list(feature_gates)}
    return obj("CDIConfig", "config", namespace="", spec=spec, status=status)


def storage_class(name: str = "csi", provisioner: str = "csi.example.com", waits: bool = False, **marks: str) -> Any:
    mode = "WaitForFirstConsumer" if waits else "Immediate"
    made = obj("StorageClass", name, namespace="", provisioner=provisioner, volumeBindingMode=mode)
    return noted(made, dict(marks))


def default_class(name: str = "csi", **rest: Any) -> Any:
    return noted(storage_class(name, **rest), {names.DEFAULT_CLASS: "true"})


def driver(name: str = "csi.example.com") -> Any:
    return obj("CSIDriver", name, namespace="")


def profile(name: str = "csi", *rows: tuple[str, str], minimum: str = "") -> Any:
    """Rows are (access mode, volume mode)."""
    sets = [{"accessModes": [access], "volumeMode": volume} for access, volume in rows]
    made = obj("StorageProfile", name, namespace="", status={"claimPropertySets": sets})
    return noted(made, {names.MINIMUM_PVC_SIZE: minimum}) if minimum else made


def volume(name: str = PV, claim: str = PRIME, claim_uid: str = PRIME_UID, phase: str = "Bound", **spec: Any) -> Any:
    reference = {"claimRef": {"namespace": NS, "name": claim, "uid": claim_uid}} if claim else {}
    what = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "csi"}
    return obj("PersistentVolume", name, namespace="", spec={**what, **reference, **spec}, status={"phase": phase})


def reserved_volume(name: str = PV, phase: str = "Available", **spec: Any) -> Any:
    """A volume made by hand that waits for the DataVolume's claim."""
    made = volume(name, claim=NAME, phase=phase, **{"accessModes": ["ReadWriteOnce", "ReadWriteMany"], **spec})
    return having(made, spec={"claimRef": {"uid": None}})


CSI = (storage_class(), driver())
CSI_WAITS = (storage_class(waits=True), driver())
LOCAL = (storage_class(),)
"""A class whose provisioner has no CSI driver: the legacy flow."""
LOCAL_WAITS = (storage_class(waits=True),)
HONOURS_WAIT = config("HonorWaitForFirstConsumer")
NO_GATES = config()

# DataVolume, claims, pods -----------------------------------------------------------------------------------------


def data_volume(source: Any = HTTP, phase: str = "", status: Any = None, **spec: Any) -> Any:
    """With `spec.pvc` unless `storage` or `pvc` is given."""
    asked = {} if {"pvc", "storage"} & spec.keys() else {"pvc": claim_spec()}
    shown = {**({"phase": phase} if phase else {}), **(status or {})}
    return obj(
        "DataVolume",
        NAME,
        VOLUME_UID,
        api_version="cdi.kubevirt.io/v1beta1",
        spec={"source": source, **asked, **spec},
        status=shown,
    )


def claim_spec(size: str = "1Gi", **spec: Any) -> Any:
    requests = {"resources": {"requests": {"storage": size}}}
    return {"accessModes": ["ReadWriteOnce"], "storageClassName": "csi", **requests, **spec}


def listing(*checkpoints: str, final: bool = False) -> Any:
    """The fields of a spec that list the stages of a warm import, each from the checkpoint before."""
    pairs = zip(("", *checkpoints), checkpoints, strict=False)
    listed = [{"previous": previous, "current": current} for previous, current in pairs]
    return {"checkpoints": listed, **({"finalCheckpoint": True} if final else {})}


def condition(kind: str, status: str, reason: str = "", message: str = "", at: str = MADE_AT) -> Any:
    words = {key: value for key, value in (("reason", reason), ("message", message)) if value}
    return {"type": kind, "status": status, **words, "lastHeartbeatTime": at, "lastTransitionTime": at}


def target(phase: str = "Pending", annotations: Any = None, **rest: Any) -> Any:
    """A DataVolume's claim in the populator flow."""
    reference = {"apiGroup": "cdi.kubevirt.io", "kind": "VolumeImportSource", "name": SOURCE_NAME}
    notes = {**MADE_HERE, names.USE_POPULATOR: "true", names.POD_RESTARTS: "0", names.PREALLOCATION_REQUESTED: "false"}
    return _claim(CLAIM_UID, phase, {**notes, **(annotations or {})}, {"dataSourceRef": reference}, rest)


def legacy(phase: str = "Pending", annotations: Any = None, **rest: Any) -> Any:
    """A DataVolume's claim in the legacy flow."""
    notes = {**MADE_HERE, names.SOURCE: "http", names.ENDPOINT: URL, names.POD_RESTARTS: "0"}
    return _claim(CLAIM_UID, phase, {**notes, **(annotations or {})}, {}, rest)


def by_hand(phase: str = "Pending", annotations: Any = None, **rest: Any) -> Any:
    """A claim of the DataVolume's name that somebody else made, for nobody in particular."""
    made = _claim(CLAIM_UID, phase, annotations or {}, {}, rest)
    return having(made, metadata={"ownerReferences": None})


def _claim(uid: str, phase: str, notes: Any, spec: Any, rest: Any) -> Any:
    found = {"volumeMode": "Filesystem", **({"volumeName": PV} if phase in ("Bound", "Lost") else {})}
    made = obj("PersistentVolumeClaim", NAME, uid, spec=claim_spec(**found, **spec), status={"phase": phase})
    return having(owned_by(noted(made, notes), "DataVolume", NAME, VOLUME_UID), **rest)


def prime(phase: str = "Bound", annotations: Any = None, **rest: Any) -> Any:
    """The hidden claim for `target()`."""
    notes = {
        names.IMMEDIATE_BIND: "",
        names.POPULATOR_KIND: "VolumeImportSource",
        names.SOURCE: "http",
        names.ENDPOINT: URL,
        names.PREALLOCATION_REQUESTED: "false",
    }
    made = _claim(PRIME_UID, phase, {**notes, **(annotations or {})}, {}, {"metadata": {"name": PRIME}})
    return having(owned_by(made, "PersistentVolumeClaim", NAME, CLAIM_UID), **rest)


def import_source(source: Any = HTTP, **spec: Any) -> Any:
    made = obj(
        "VolumeImportSource",
        SOURCE_NAME,
        "uid-source",
        api_version="cdi.kubevirt.io/v1beta1",
        spec={"source": source, **spec},
    )
    return owned_by(made, "DataVolume", NAME, VOLUME_UID)


def event(reason: str, message: str, about: str = PRIME_UID, kind: str = "Normal", at: str = MADE_AT) -> Any:
    name = f"{about}.{reason}".lower()
    involved = {"kind": "PersistentVolumeClaim", "uid": about, "namespace": NS, "name": NAME}
    return obj("Event", name, involvedObject=involved, reason=reason, message=message, type=kind, lastTimestamp=at)


# The worker pod, by what its status says --------------------------------------------------------------------------


def pod(phase: str = "Pending", container: Any = None, name: str = PRIME, owner: str = PRIME_UID, **rest: Any) -> Any:
    """The importer of claim `name`. `container` is the first container's status."""
    shown = {"phase": phase, **({"containerStatuses": [container]} if container else {})}
    spec = {"containers": [{"name": "importer", "image": "importer:1"}]}
    made = obj("Pod", f"importer-{name}", POD_UID, spec=spec, status=shown)
    labels = {names.APP: names.APP_NAME, names.COMPONENT: names.COMPONENT_IMPORTER}
    made = having(made, metadata={"labels": labels})
    return having(owned_by(made, "PersistentVolumeClaim", name, owner), **rest)


def running(restarts: int = 0, before: Any = None) -> Any:
    last = {"lastState": {"terminated": before}} if before else {}
    return {"state": {"running": {}}, "ready": True, "restartCount": restarts, **last}


def waiting(reason: str, message: str = "", restarts: int = 0, before: Any = None) -> Any:
    last = {"lastState": {"terminated": before}} if before else {}
    return {"state": {"waiting": {"reason": reason, "message": message}}, "restartCount": restarts, **last}


def ended(code: int = 0, message: str = "", reason: str = "") -> Any:
    """A container's `terminated`."""
    return {"exitCode": code, "message": message, "reason": reason or ("Error" if code else "Completed")}


def terminated(code: int = 0, message: str = "", reason: str = "") -> Any:
    return {"state": {"terminated": ended(code, message, reason)}}


def report(message: str = IMPORT_COMPLETE, **rest: Any) -> str:
    return Report(message=message, **rest).to_json()


UNSCHEDULABLE = {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}
SUCCEEDED = pod("Succeeded", terminated(message=report()))
RUNNING = pod("Running", running())
