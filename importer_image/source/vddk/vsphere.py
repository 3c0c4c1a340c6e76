"""What vCenter or ESXi knows of a machine: asked before anything is read, in one short session.

pyVmomi speaks its SOAP API; it takes 0.2 s to import and is imported by nothing else. An old version of the API is
asked for, because every newer server understands it. Never through a proxy: the library that will read the disk knows
none, so a server that cannot be reached without one is of no use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from importer_image.errors import ImportFailure, Permanent, Transient
from importer_image.log import log
from importer_image.source import Range, fault
from importer_image.source.address import Address
from importer_image.source.trust import context_of
from importer_image.source.vddk.inventory import (
    DiskFile,
    disk_with_file,
    disk_with_key,
    is_change_id,
    reference,
    snapshots,
)

API_VERSION = "vim.version.version11"
"""pyVmomi's name of 6.5, the oldest that the library supports."""
TIMEOUT_S = 300
PATH = "/sdk"
TRACKING = "Let VMware track changes: ctkEnabled for the machine and its disks, before the first snapshot is taken."


@dataclass(frozen=True)
class Wanted:
    uuid: str
    file: str
    current: str
    """Snapshot to read; empty: the disk as it is."""
    previous: str
    """Snapshot, or the change id of a disk in one, that was read before; empty: none."""


@dataclass(frozen=True)
class Found:
    machine: str
    file: str
    snapshot: str
    changed: Sequence[Range] | None
    """None: all of the disk is wanted."""


def look_up(address: Address, login: tuple[str, str], ca_dirs: Sequence[str], wanted: Wanted) -> Found:
    """Raises ImportFailure."""
    with told_in_words(address):
        server = VSphere(address, login, ca_dirs)
        try:
            return found_by(server, wanted)
        finally:
            server.log_out()


def found_by(server: VSphere, wanted: Wanted) -> Found:
    machine = server.machine(wanted.uuid)
    disk = server.disk(machine, wanted.file)
    if not wanted.current:
        return Found(reference(machine), disk.file, "", None)
    snapshot = server.snapshot(machine, wanted.current)
    then = server.disk_at(snapshot, disk)
    changed = None
    if wanted.previous:
        previous = wanted.previous
        if not is_change_id(previous):
            previous = server.disk_at(server.snapshot(machine, previous), disk).change_id
        if not previous:
            raise Permanent(f"disk {disk.file} has no change id in snapshot {wanted.previous}", TRACKING)
        changed = server.changed_areas(machine, snapshot, then, previous)
    return Found(reference(machine), then.file, reference(snapshot), changed)


class VSphere:
    """A session. Raises what pyVmomi raises, and Permanent for what is not there."""

    def __init__(self, address: Address, login: tuple[str, str], ca_dirs: Sequence[str]) -> None:
        import pyVmomi

        # Its managed objects are made at run time, from the server's answers: nothing for a type checker to hold on to.
        api: Any = pyVmomi
        vim = api.vim
        if not ca_dirs:
            log("the certificate of the server is not verified: no certConfigMap is given", server=address.authority)
        stub = api.SoapStubAdapter(
            host=address.host,
            port=address.port if address.scheme == "https" else -address.port,
            path=PATH if address.target == "/" else address.target,
            version=API_VERSION,
            sslContext=context_of(ca_dirs, insecure=not ca_dirs),
            httpConnectionTimeout=TIMEOUT_S,
        )
        self._vim = vim
        self._login = login
        self._content = vim.ServiceInstance("ServiceInstance", stub).RetrieveContent()
        self._log_in()

    def machine(self, uuid: str) -> Any:
        """By its own UUID, then by the one of its BIOS, which copies of it may share, in every datacenter."""
        content, vim = self._content, self._vim
        centers = content.viewManager.CreateContainerView(content.rootFolder, [vim.Datacenter], True).view
        if not centers:
            raise Permanent("no datacenters found", "The user may not be allowed to see any.")
        for by_instance in (True, False):
            for center in centers:
                if found := content.searchIndex.FindByUuid(center, uuid, True, by_instance):
                    return found
        raise Permanent(
            f"unable to locate VM in any datacenter: {uuid}",
            "Check the uuid of the source and the rights of the user.",
        )

    def disk(self, machine: Any, file: str) -> DiskFile:
        """As it is now; one that was removed from the machine is still in its snapshots."""
        if found := disk_with_file(machine.config.hardware.device, file):
            return found
        for snapshot in self._snapshots(machine):
            if found := disk_with_file(snapshot.config.hardware.device, file):
                return found
        raise Permanent(
            f"disk {file} is not present in the hardware of the VM or any of its snapshots",
            "Check the backingFile of the source: it looks like `[datastore] machine/machine.vmdk`.",
        )

    def snapshot(self, machine: Any, name: str) -> Any:
        for each in self._snapshots(machine):
            if reference(each) == name:
                return each
        raise Permanent(
            f"could not find snapshot {name} of the VM", "It was removed; the migration has to begin again without it."
        )

    def disk_at(self, snapshot: Any, disk: DiskFile) -> DiskFile:
        if found := disk_with_key(snapshot.config.hardware.device, disk.key):
            return found
        raise Permanent(f"snapshot {reference(snapshot)} does not have the disk {disk.file}")

    def changed_areas(self, machine: Any, snapshot: Any, disk: DiskFile, change_id: str) -> list[Range]:
        """What differs between that state of the disk and the snapshot. Each answer covers some more of the disk."""
        areas: list[Range] = []
        position = 0
        while position < disk.size_bytes:
            answer = self._again(machine.QueryChangedDiskAreas, snapshot, disk.key, position, change_id)
            areas += [(each.start, each.length) for each in answer.changedArea or []]
            after = answer.startOffset + answer.length
            if after <= position:
                raise Transient(f"vSphere says nothing of what has changed behind byte {position} of {disk.file}")
            position = after
        return areas

    def log_out(self) -> None:
        with suppress(Exception):
            self._content.sessionManager.Logout()

    def _snapshots(self, machine: Any) -> Iterator[Any]:
        return snapshots(machine.snapshot.rootSnapshotList) if machine.snapshot else iter(())

    def _log_in(self) -> None:
        user, password = self._login
        self._content.sessionManager.Login(user, password)

    def _again(self, question: Callable[..., Any], *arguments: object) -> Any:
        """An answer may take so long that the session is over by the next question."""
        try:
            return question(*arguments)
        except self._vim.fault.NotAuthenticated:
            log("logging in again")
            self._log_in()
            return question(*arguments)


@contextmanager
def told_in_words(address: Address) -> Iterator[None]:
    from pyVmomi import vim, vmodl

    try:
        yield
    except ImportFailure:
        raise
    except vim.fault.InvalidLogin as error:
        raise Permanent(
            f"login to {address.authority}: {words(error)}", "Check accessKeyId and secretKey in the secret."
        ) from error
    except vim.fault.NoPermission as error:
        raise Permanent(
            f"vSphere: {words(error)}", "The user lacks a right; VMware's documentation of VDDK names them."
        ) from error
    except vim.fault.FileFault as error:
        raise Permanent(f"vSphere: {words(error)}", TRACKING) from error
    except vmodl.MethodFault as error:
        raise Transient(f"vSphere: {words(error)}") from error
    except fault.BROKEN as error:
        raise fault.failure_of(error, address, address) from error


def words(error: Any) -> str:
    return str(error.msg or type(error).__name__.rpartition(".")[2]).rstrip(".")
