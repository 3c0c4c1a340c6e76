"""What an image may not do: reach for other files, hide its content, or claim to be what it is not.

An image is hostile input. It is read by nothing but the decoders of this package, which follow no reference out of it.
"""

from __future__ import annotations

from typing import NoReturn

from importer_image.errors import Permanent

NO_ENCRYPTION = "Decrypt it first: qemu-img convert with the secret, to an image without encryption."


def no_backing_file(image: str, name: bytes) -> NoReturn:
    """The reference lets one pass that exists in its pod, which leaks files (spec 11, quirk 3); we do not."""
    shown = _printable(name.decode("utf-8", "backslashreplace"))
    raise Permanent(
        f"Image {image} is invalid because it has invalid backing file {shown}",
        "It holds only the changes to another image. Make it whole first: qemu-img convert -O qcow2 IMAGE WHOLE.",
    )


def require_base(name: bytes, base: str) -> None:
    """A delta goes only over the disk that it was made of; the name is compared, never followed."""
    if name != base.encode():
        raise Permanent(
            f"snapshot backing file '{name.decode('utf-8', 'backslashreplace')}' does not match expected checkpoint "
            f"'{base}', unable to safely rebase snapshot",
            "A checkpoint is missing or was merged away: begin the migration anew, with a full copy.",
        )


def no_external_data(image: str) -> NoReturn:
    raise Permanent(
        f"Image {image} is invalid because its data is in an external data file",
        "Make it whole first: qemu-img convert -O qcow2 IMAGE WHOLE.",
    )


def no_parent(image: str, parent: str) -> NoReturn:
    """Differencing disks of VirtualBox and Hyper-V; in the words for what they are in qcow2, which clients know."""
    raise Permanent(
        f"Image {image} is invalid because it has invalid backing file {_printable(parent)}",
        "It holds only the changes to another disk. Merge it with that one first, or export a full copy of it.",
    )


def invalid_image(form: str, reason: str) -> Permanent:
    """What its header says makes no sense."""
    return Permanent(f"invalid {form} image: {reason}", "Check the file with qemu-img check.")


def _printable(name: str) -> str:
    """A message is one line, whatever an image calls its parent."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)
