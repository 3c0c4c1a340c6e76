"""The names of everything that is made for a claim, a DataVolume or a clone (spec 3.3).

Names are functions of what they are made for: a controller that died between two writes finds its own work again, and
clients recompute them. An over-long name keeps its beginning and ends in a hash.
"""

from __future__ import annotations

MAX_NAME = 253
"""The limit of a pod's, claim's or ConfigMap's name."""

MAX_LABEL = 63
"""The limit of a service's name and of a label's value."""

_HASH_DIGITS = 8


def resource_name(base: str, suffix: str, limit: int = MAX_NAME) -> str:
    """`<base>-<suffix>`, shortened to `limit` characters in a way that stays unique."""
    name = f"{base}-{suffix}"
    if len(name) <= limit:
        return name
    kept = limit - _HASH_DIGITS - len(suffix) - 2
    if kept > 0:
        return f"{base[:kept]}-{_fnv1a(base)}-{suffix}"
    return f"{base[: limit - _HASH_DIGITS - 1]}-{_fnv1a(name)}"


def label_name(name: str) -> str:
    """A name as a service's name or a label's value: no dots, at most 63 characters."""
    dashed = name.replace(".", "-")
    return dashed if len(dashed) <= MAX_LABEL else resource_name(dashed, "cdi", MAX_LABEL)


def importer_pod_name(claim_name: str, checkpoint: str = "") -> str:
    return resource_name("importer", f"{claim_name}-checkpoint-{checkpoint}" if checkpoint else claim_name)


def upload_pod_name(claim_name: str) -> str:
    """Of the upload pod, and of the secret with its certificate."""
    return resource_name("cdi-upload", claim_name)


def upload_service_name(claim_name: str) -> str:
    return label_name(upload_pod_name(claim_name))


def scratch_name(claim_name: str) -> str:
    return resource_name(claim_name, "scratch")


def proxy_ca_name(claim_name: str) -> str:
    """Of the ConfigMap with the proxy's CA, copied beside the importer pod."""
    return resource_name("import-proxy-cm", claim_name)


def prime_name(claim_uid: str) -> str:
    """Of the hidden claim on which the population of a claim happens."""
    return f"prime-{claim_uid}"


def import_source_name(volume_uid: str) -> str:
    """Of the VolumeImportSource of a DataVolume."""
    return f"volume-import-source-{volume_uid}"


def upload_source_name(volume_uid: str) -> str:
    """Of the VolumeUploadSource of a DataVolume."""
    return f"volume-upload-source-{volume_uid}"


def clone_source_name(volume_uid: str) -> str:
    """Of the VolumeCloneSource of a DataVolume."""
    return f"volume-clone-source-{volume_uid}"


def clone_source_pod_name(target_uid: str) -> str:
    """Of the pod that reads the source of a host-assisted copy, and of its secret."""
    return f"{target_uid}-source-pod"


def clone_claim_name(target_uid: str) -> str:
    """Of the temporary claim that a clone is made on."""
    return f"tmp-pvc-{target_uid}"


def clone_snapshot_name(target_uid: str) -> str:
    return f"tmp-snapshot-{target_uid}"


def clone_snapshot_claim_name(target_uid: str) -> str:
    """Of the temporary claim that a snapshot is restored to before it is copied."""
    return f"tmp-source-pvc-{target_uid}"


def prep_pod_name(target_uid: str) -> str:
    """Of the pod that makes a restored claim bind or grow."""
    return f"prep-{target_uid}"


def size_detection_pod_name(source_uid: str) -> str:
    return f"size-detection-{source_uid}"


def populate_pod_name(claim_uid: str) -> str:
    """Of the worker pod of the forklift populators."""
    return f"populate-{claim_uid}"


def _fnv1a(text: str) -> str:
    """FNV-1a, 32 bits, as 8 hex digits."""
    value = 0x811C9DC5
    for byte in text.encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return f"{value:08x}"
