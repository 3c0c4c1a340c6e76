"""A real operating-system image made on the spot, since nothing here may come from a place that can go away.

Debian's own packages become a root filesystem, a boot partition and a boot loader, without mounting anything: mke2fs
fills the root filesystem from a directory, mtools the boot partition, and syslinux is written into the image file. The
result is what vendors publish: a partitioned disk as compressed qcow2.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from devcluster.errors import DevclusterError
from devcluster.layout import CACHE
from devcluster.prerequisites import install_packages, require_root
from devcluster.shell import run

# Package of Debian 12 and 13, and a file that shows that it is installed.
PACKAGES = {
    "mmdebstrap": "/usr/bin/mmdebstrap",
    "e2fsprogs": "/usr/sbin/mke2fs",
    "fdisk": "/usr/sbin/sfdisk",
    "dosfstools": "/usr/sbin/mkfs.vfat",
    "mtools": "/usr/bin/mcopy",
    "syslinux": "/usr/bin/syslinux",
    "qemu-utils": "/usr/bin/qemu-img",
}
RELEASE = "trixie"
CONTENT = ("linux-image-cloud-amd64", "systemd-sysv", "udev", "login")
NOT_NEEDED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")

MIB = 1024 * 1024
SIZE_BYTES = 1024 * MIB
BOOT_AT_BYTES = 1 * MIB
BOOT_BYTES = 63 * MIB
ROOT_AT_BYTES = BOOT_AT_BYTES + BOOT_BYTES
BOOT_CODE_BYTES = 440
"""The part of the first sector that belongs to the boot loader; the partition table follows."""

PARTITIONS = f"""\
label: dos
start={BOOT_AT_BYTES // 512}, size={BOOT_BYTES // 512}, type=c, bootable
start={ROOT_AT_BYTES // 512}, type=83
"""
BOOT_MENU = """\
default linux
label linux
  kernel vmlinuz
  initrd initrd
  append root=/dev/vda2 rw console=ttyS0 loglevel=3 systemd.show_status=yes
"""


def ensure(told: Callable[[str], None]) -> Path:
    """The image, made when this machine has none yet; `told` hears of each step."""
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
    image = CACHE / "demo" / f"debian-13-{recipe}.qcow2"
    if image.exists():
        return image
    require_root()
    install_packages([name for name, shown_by in PACKAGES.items() if not Path(shown_by).exists()])
    image.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="cdi-demo-", dir=image.parent) as directory:
        work = Path(directory)
        told("installing Debian 13 into a directory")
        tree = _debian(work / "tree")
        told("making the boot partition")
        boot = _boot_partition(tree, work / "boot.fat")
        told("making the root filesystem")
        root = _root_filesystem(tree, work / "root.ext4")
        told("putting the disk together")
        disk = _disk(boot, root, work / "disk.raw")
        told("compressing it to qcow2")
        run(["qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", disk, work / "disk.qcow2"])
        for old in image.parent.glob("debian-13-*.qcow2"):
            old.unlink()
        (work / "disk.qcow2").rename(image)
    return image


def _debian(tree: Path) -> Path:
    excluded = [f"--dpkgopt=path-exclude={pattern}" for pattern in NOT_NEEDED]
    packages = f"--include={','.join(CONTENT)}"
    run(["mmdebstrap", "--quiet", "--variant=minbase", packages, *excluded, RELEASE, tree])
    (tree / "etc" / "hostname").write_text("imported\n")
    (tree / "etc" / "fstab").write_text("/dev/vda2 / ext4 defaults 0 1\n")
    # A disk for looking at: root logs in without a password.
    run(["chroot", tree, "passwd", "--delete", "root"])
    return tree


def _boot_partition(tree: Path, image: Path) -> Path:
    with image.open("wb") as file:
        file.truncate(BOOT_BYTES)
    run(["mkfs.vfat", "-n", "BOOT", image])
    menu = image.with_name("syslinux.cfg")
    menu.write_text(BOOT_MENU)
    for source, name in (
        (_one(tree, "vmlinuz-*"), "vmlinuz"),
        (_one(tree, "initrd.img-*"), "initrd"),
        (menu, menu.name),
    ):
        run(["mcopy", "-i", image, source, f"::{name}"])
    run(["syslinux", "--install", image])
    return image


def _one(tree: Path, pattern: str) -> Path:
    found = sorted((tree / "boot").glob(pattern))
    if not found:
        raise DevclusterError(f"Debian's kernel package left no /boot/{pattern}")
    return found[-1]


def _root_filesystem(tree: Path, image: Path) -> Path:
    shutil.rmtree(tree / "boot")
    (tree / "boot").mkdir()
    size_kib = (SIZE_BYTES - ROOT_AT_BYTES) // 1024
    run(["mke2fs", "-q", "-t", "ext4", "-L", "root", "-d", tree, image, f"{size_kib}k"])
    return image


def _disk(boot: Path, root: Path, image: Path) -> Path:
    with image.open("wb") as file:
        file.truncate(SIZE_BYTES)
    run(["sfdisk", "--quiet", image], stdin=PARTITIONS)
    loader = Path("/usr/lib/SYSLINUX/mbr.bin").read_bytes()
    if len(loader) > BOOT_CODE_BYTES:
        raise DevclusterError("syslinux's boot code does not fit into a boot sector")
    with image.open("r+b") as file:
        file.write(loader)
    for part, at_bytes in ((boot, BOOT_AT_BYTES), (root, ROOT_AT_BYTES)):
        run(
            [
                "dd",
                f"if={part}",
                f"of={image}",
                "bs=1M",
                f"seek={at_bytes // MIB}",
                "conv=notrunc,sparse",
                "status=none",
            ]
        )
    return image
