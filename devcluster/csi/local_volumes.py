"""The volumes of the local provisioner on disk: an image file each, and a path that pods can be given.

A filesystem volume is an ext4 mounted at that path, a block volume a node of its loop device, so that overhead,
lost+found and ENOSPC are those of real storage here too. The name of the image says all there is to know.
"""

import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from devcluster.csi import ext4, loop, mounts
from devcluster.csi.errors import exhausted
from devcluster.csi.requests import SizeRange


@dataclass(frozen=True)
class Shelf:
    """The data directory of one provisioner."""

    data: Path

    @classmethod
    def open(cls, data: Path) -> "Shelf":
        """Make the directories, and show every volume again that a reboot has taken away."""
        data.mkdir(parents=True, exist_ok=True)
        shelf = cls(data.resolve())
        shelf._images.mkdir(exist_ok=True)
        shelf._paths.mkdir(exist_ok=True)
        for unfinished in shelf._images.glob("*.tmp"):
            unfinished.unlink()
        for image in shelf._images.iterdir():
            shelf._show(image)
        return shelf

    @property
    def _images(self) -> Path:
        return self.data / "images"

    @property
    def _paths(self) -> Path:
        return self.data / "volumes"

    def volumes(self) -> frozenset[str]:
        return frozenset(image.stem for image in self._images.iterdir())

    def make(self, name: str, size: SizeRange, *, block: bool) -> tuple[Path, int]:
        """The path and size in bytes of an empty volume; one that was made before is returned as it is."""
        image = self._images / f"{name}.{'block' if block else 'ext4'}"
        if not image.exists():
            size_bytes = size.choose(at_least=0)
            if size_bytes > shutil.disk_usage(self.data).free:
                raise exhausted(f"not enough free space for {size_bytes} bytes")
            unfinished = image.with_suffix(".tmp")
            with open(unfinished, "wb") as file:
                file.truncate(size_bytes)
            if not block:
                ext4.make(unfinished)
            unfinished.rename(image)
        return self._show(image), image.stat().st_size

    def remove(self, name: str) -> None:
        """Take a volume away; one that is not there is fine."""
        path = self._paths / name
        mounts.unmount(path)
        for image in self._images.glob(f"{name}.*"):
            if device := loop.find(image):
                loop.detach(device)
            image.unlink()
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)

    def _show(self, image: Path) -> Path:
        path = self._paths / image.stem
        if image.suffix == ".block":
            device = loop.attach(image)
            # After a reboot the old node may be that of somebody else's device by now.
            path.unlink(missing_ok=True)
            os.mknod(path, 0o660 | stat.S_IFBLK, device.device_number)
        elif mounts.at(path) is None:
            path.mkdir(exist_ok=True)
            ext4.mount(image, path)
        return path
