"""The command line of nbdkit (spec 5.4). Pure.

Its parameters are those of the reference, neither more nor fewer: test plugins count them. Its filters are not used:
`retry` lets nbdkit take only one request at a time, which costs most of the speed, and the importer itself opens the
disk again where reading breaks; `cacheextents` helps who asks in small pieces what is allocated, and we do not.
"""

from __future__ import annotations

from dataclasses import dataclass

from importer_image.job import LIBRARY_DIR

SOCKET, PID_FILE = "nbd.sock", "nbdkit.pid"
TEST_PLUGIN = "/opt/testing/libvddk-test-plugin.so"
"""Stands in for the library, where it is."""
EXTRA_ARGUMENTS = "vddk-config-file"
"""Key of the ConfigMap with settings for the library."""
TRANSPORTS = "file:nbdssl:nbd"


@dataclass(frozen=True)
class Opening:
    """What to open, and with whose right."""

    server: str
    user: str
    thumbprint: str
    machine: str
    """Its managed object reference, e.g. vm-42."""
    file: str
    """Of the disk, e.g. `[datastore] machine/machine.vmdk`."""
    snapshot: str = ""
    """Its managed object reference; empty for the disk as it is now."""
    plugin: str = "vddk"
    library_dir: str = LIBRARY_DIR
    config_file: str = ""


def command(opening: Opening, directory: str, password_fd: int) -> list[str]:
    """`directory`: where nbdkit puts its socket. The password comes through a descriptor: others read command lines."""
    server = [
        *("nbdkit", "--foreground", "--readonly", "--exit-with-parent"),
        *("-U", f"{directory}/{SOCKET}", "--pidfile", f"{directory}/{PID_FILE}"),
    ]
    parameters = [
        f"libdir={opening.library_dir}",
        f"server={opening.server}",
        f"user={opening.user}",
        f"password=-{password_fd}",
        f"thumbprint={opening.thumbprint}",
        f"vm=moref={opening.machine}",
    ]
    if opening.snapshot:
        parameters += [f"snapshot={opening.snapshot}", f"transports={TRANSPORTS}"]
    # The log tells the version of the library and the host. What it says about every single read would be gigabytes.
    parameters += ["--verbose", "-D", "nbdkit.backend.datapath=0", "-D", "vddk.datapath=0", "-D", "vddk.stats=1"]
    if opening.config_file:
        parameters.append(f"config={opening.config_file}")
    return [*server, opening.plugin, *parameters, f"file={opening.file}"]
