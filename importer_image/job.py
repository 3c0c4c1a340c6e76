"""The contract between operator and worker: one `Job` goes in, one `Report` comes out, both small JSON documents.

The job travels in the environment variable CDI_JOB; it names files for secrets and certificates, never their content.
The report travels in the container's termination message, which Kubernetes cuts at 4096 bytes. Its first keys are
those of the reference (spec 3.7), so that whoever parsed those still can; ours follow.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from dataclasses import dataclass, field
from typing import Any, Literal

MESSAGE_LIMIT_BYTES = 4096
IMPORT_COMPLETE = "Import Complete"
LIBRARY_DIR = "/opt/vmware-vix-disklib-distrib"


Kind = Literal["http", "s3", "gcs", "registry", "imageio", "vddk", "mounted", "stdin", "blank"]
"""mounted: a container image whose files are at the path `url`."""


@dataclass(frozen=True)
class Source:
    """Where the bytes come from. `kind` decides which fields matter."""

    kind: Kind
    url: str = ""
    secret_dir: str = ""
    """Directory with files accessKeyId and secretKey: user and password of basic auth, or the keys of s3 (and there
    maybe sessionToken). For gcs with a file credentials.json: the key of a service account. For a registry also with a
    file .dockerconfigjson."""
    ca_dirs: tuple[str, ...] = ()
    """Directories in which every file is a bundle of PEM certificates to trust besides the system's."""
    insecure: bool = False
    """Do not verify certificates. For a registry, which is then one of the insecureRegistries, plain HTTP will do."""
    headers: tuple[str, ...] = ()
    """Extra request headers, each `Name: value`."""
    secret_header_dirs: tuple[str, ...] = ()
    """Directories in which every file holds one more header."""
    platform_architecture: str = ""
    """Of the image in a registry, e.g. arm64; empty for that of this machine."""
    checksum: str = ""
    """`<algorithm>:<hex digest>` over the bytes as downloaded, several separated by blanks; empty for none."""
    disk_id: str = ""
    """Which disk of an oVirt engine."""
    uuid: str = ""
    """Which machine of a vSphere: its instance UUID, or that of its BIOS."""
    backing_file: str = ""
    """Which disk of that machine: `[datastore] machine/machine.vmdk`."""
    thumbprint: str = ""
    """SHA-1 of the certificate of the vSphere, for the VMware library, which verifies it by that."""
    library_dir: str = LIBRARY_DIR
    """Where the VMware library is mounted."""
    extra_args_dir: str = ""
    """Directory with a file vddk-config-file: settings for the VMware library."""
    current_checkpoint: str = ""
    """The snapshot to import, for machines that run on while their disks are copied (spec 2.7); empty: the disk."""
    previous_checkpoint: str = ""
    """The snapshot that an earlier import has left on the target: only what has changed since then is written."""
    final_checkpoint: bool = False
    """Whether no other checkpoint follows. The disk is made in the same way."""

    @property
    def is_delta(self) -> bool:
        return bool(self.previous_checkpoint)


@dataclass(frozen=True)
class Target:
    """Where the disk goes: `<path>/<file>` in mode Filesystem, the device at `path` in mode Block."""

    path: str
    volume_mode: Literal["Filesystem", "Block"]
    size_bytes: int
    """What the user asked for. 0 means: as large as the image."""
    overhead: str = "0"
    """Share of a filesystem that its own structures may take (CDIConfig filesystemOverhead), a decimal."""
    preallocate: bool = False
    file: str = "disk.img"
    """Name of the disk in a filesystem."""
    journal_dir: str = ""
    """Block: a directory that outlives the container (an emptyDir), for the journal from which a restarted import goes
    on. Empty: it starts again. In mode Filesystem the journal lies beside the disk until that is done."""


@dataclass(frozen=True)
class Job:
    """One transfer."""

    source: Source
    target: Target
    content_type: Literal["kubevirt", "archive"] = "kubevirt"
    owner_uid: str = ""
    """Label of the progress metric: the uid of the object that asked for the import."""
    connections: int = 4
    metrics_port: int = 0
    """Port of the HTTPS metrics server; 0 for none."""

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Raises ValueError when the document is not a job."""
        try:
            raw = json.loads(text)
            source: dict[str, Any] = {
                key: tuple(value) if isinstance(value, list) else value for key, value in raw["source"].items()
            }
            rest = {key: value for key, value in raw.items() if key not in ("source", "target")}
            return cls(source=Source(**source), target=Target(**raw["target"]), **rest)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a job: {error}") from error


ErrorKind = Literal["", "transient", "permanent", "fatal"]
"""transient: trying again may help. permanent: it will not, until the user changes something.
fatal: permanent, and the reference gives up for good (a wrong checksum)."""


@dataclass(frozen=True)
class Report:
    """How a transfer ended."""

    message: str = ""
    """IMPORT_COMPLETE, or the user's error text, beginning with `Unable to ...`."""
    scratch_space_required: bool = False
    preallocation_applied: bool = False
    labels: dict[str, str] = field(default_factory=dict)
    vddk_info: dict[str, str] = field(default_factory=dict)
    """Version of the VMware library, and Host that gave the data."""
    error: ErrorKind = ""
    hint: str = ""
    """What the user could do about the error."""
    format: str = ""
    virtual_size_bytes: int = 0
    total_bytes: int = 0
    """Size of the source; 0 where it does not say."""
    source_bytes: int = 0
    resumed_bytes: int = 0
    """What earlier attempts had fetched, not in source_bytes."""
    written_bytes: int = 0
    checksum: str = ""
    stage_seconds: dict[str, float] = field(default_factory=dict)

    @property
    def succeeded(self) -> bool:
        return not self.error and not self.scratch_space_required

    def to_json(self) -> str:
        """At most MESSAGE_LIMIT_BYTES; a longer message is cut in the middle, where the least is said."""
        raw = {camel(key): value for key, value in dataclasses.asdict(self).items() if value not in ("", {}, 0)}
        text = json.dumps(raw, separators=(",", ":"))
        excess = len(text.encode()) - MESSAGE_LIMIT_BYTES
        if excess <= 0:
            return text
        keep = max(0, (len(self.message) - excess - 8) // 2)
        if keep == 0:
            raise ValueError(f"report of {len(text)} bytes does not fit into a termination message")
        return dataclasses.replace(self, message=f"{self.message[:keep]} ... {self.message[-keep:]}").to_json()

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Raises ValueError when the text is not a report (a container that died leaves its last log lines)."""
        try:
            raw: dict[str, Any] = json.loads(text)
            known = {camel(item.name): item.name for item in dataclasses.fields(cls)}
            return cls(**{known[key]: value for key, value in raw.items() if key in known})
        except (TypeError, AttributeError) as error:
            raise ValueError(f"not a report: {error}") from error


@functools.cache
def camel(name: str) -> str:
    """As JSON and Kubernetes spell the names of fields."""
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)
