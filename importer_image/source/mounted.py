"""The disk in a container image that the kubelet has pulled and mounted (pullMethod node): the one file below disk/.

An image is hostile input: a link in it may lead anywhere in the image, and nowhere else. Its configuration is not in
the mount, so there are no labels and no architecture to be had from it.
"""

from __future__ import annotations

import os

from importer_image import job
from importer_image.errors import WORDS, Permanent
from importer_image.source import OnBytes
from importer_image.source.local import LocalFile

DIRECTORY = "disk"
OWNER = "The importer runs as uid 107: build the image with ADD --chown=107:107."


def open_mounted(source: job.Source, on_bytes: OnBytes) -> LocalFile:
    """`source.url` is where the image is mounted. Raises Permanent: there is no disk, or there are several."""
    root = os.path.realpath(source.url)
    names = names_in(inside(root, DIRECTORY))
    if not names:
        raise no_disk()
    if len(names) > 1:
        raise Permanent(
            "image directory contains more than one file", f"Leave only the disk in /disk/: {', '.join(names)}"
        )
    path = inside(root, f"{DIRECTORY}/{names[0]}")
    if os.path.isdir(path):
        raise Permanent("image directory contains another directory", f"Put the disk right below /disk/: {names[0]}")
    if not os.path.isfile(path):
        raise Permanent(f"the disk {DIRECTORY}/{names[0]} is not a file but a device, pipe or worse")
    return LocalFile(path, on_bytes)


def names_in(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        number = error.errno or 0
        raise Permanent(f"open {directory}: {WORDS.get(number, error.strerror)}", OWNER) from error


def inside(root: str, name: str) -> str:
    """Where a name of the image really leads. Raises Permanent for what is outside of it."""
    path = os.path.realpath(os.path.join(root, name))
    if os.path.commonpath([root, path]) != root:
        raise Permanent(f"content filepath is tainted: {name}", "The image tries to reach files outside of itself.")
    return path


def no_disk() -> Permanent:
    return Permanent(
        "Failed to find VM disk image file in the container image",
        "Put the disk into the directory /disk/ of the image.",
    )
