"""What an image is, told by its content and never by its name (spec 5.2). Pure."""

from __future__ import annotations

from dataclasses import dataclass

from importer_image.errors import Permanent

HEADER_BYTES = 512
"""Fewer bytes are no image at all; the reference refuses them, too."""

CONVERT = "Convert it first: qemu-img convert -O qcow2 IMAGE IMAGE.qcow2"
UNPACK = "Unpack it first and serve the image inside."
ESX_PART = "This is a snapshot, or part of a disk, of an ESX server: clone or export the whole disk there."
APPLIANCE = "This is an appliance (OVA): unpack it with tar -xf, and serve the .vmdk file inside."


@dataclass(frozen=True)
class Kind:
    """What content begins with. `hint` is for kinds that no decoder here takes."""

    name: str
    magic: bytes
    offset: int = 0
    hint: str = ""


DECODED = (
    Kind("qcow2", b"QFI\xfb"),
    Kind("vmdk", b"KDMV"),
    Kind("vdi", b"\x7f\x10\xda\xbe", 0x40),
    Kind("vpc", b"conectix"),
    Kind("vhdx", b"vhdxfile"),
)
REFUSED = (
    Kind("vmdk", b"COWD", hint=ESX_PART),
    Kind("vmdk", b"\xbe\xba\xfe\xca\0\0\0\0\1\0\0\0\2\0\0\0", hint=ESX_PART),
    Kind("qed", b"QED\x00", hint=CONVERT),
    Kind("parallels", b"WithoutFreeSpace", hint=CONVERT),
    Kind("parallels", b"WithouFreSpacExt", hint=CONVERT),
    Kind("lz4", b"\x04\x22\x4d\x18", hint=UNPACK),
    Kind("zip", b"PK\x03\x04", hint=UNPACK),
    Kind("7z", b"7z\xbc\xaf\x27\x1c", hint=UNPACK),
    Kind("rar", b"Rar!\x1a\x07", hint=UNPACK),
    Kind("pdf", b"%PDF-", hint="This is a document."),
    Kind("elf", b"\x7fELF", hint="This is a program."),
)
RAW = Kind("raw", b"")
DESCRIPTION = b"# Disk DescriptorFile"
"""Of a VMDK whose data is elsewhere; mostly shorter than a header."""

_MARKUP = (b"<!doctype html", b"<html", b"<?xml", b"<head", b"<body")
_TEXT_CONTROLS = b"\t\n\r\f\x1b"


def recognised(head: bytes, image: str) -> Kind:
    """One of DECODED or RAW; raises Permanent for what is surely not a disk that we can read.

    `head` is the beginning of the content, HEADER_BYTES or more where there are so many.
    """
    if head.startswith(DESCRIPTION):
        from importer_image.format.vmdk.descriptor import refuse_alone

        refuse_alone(head, image)
    if len(head) < HEADER_BYTES:
        raise Permanent(
            f"Unable to obtain information about data source: could not process image header: "
            f"it has {len(head)} bytes, not even the {HEADER_BYTES} of a header",
            "The file on the server is empty or not an image.",
        )
    for kind in DECODED:
        if _begins(head, kind):
            return kind
    for kind in REFUSED:
        if _begins(head, kind):
            raise invalid(kind.name, image, kind.hint)
    if _appliance(head):
        raise invalid("ova", image, APPLIANCE)
    if text := _text(head[:HEADER_BYTES]):
        raise invalid(
            text, image, "This is not an image: the server sent a page or a text instead. Open the URL in a browser."
        )
    return RAW


def invalid(name: str, image: str, hint: str) -> Permanent:
    return Permanent(f"Invalid format {name} for image {image}", hint)


def _begins(head: bytes, kind: Kind) -> bool:
    return head.startswith(kind.magic, kind.offset)


def _appliance(head: bytes) -> bool:
    """A tar that begins with the description of a virtual machine, as the standard wants it."""
    return head.startswith(b"ustar", 257) and head[:100].partition(b"\0")[0].lower().endswith(b".ovf")


def _text(head: bytes) -> str:
    """Whether 512 bytes are nothing but printable text, which no disk begins with; and which."""
    begin = head.lstrip().lower()
    if begin.startswith(_MARKUP):
        return "html" if not begin.startswith(b"<?xml") else "xml"
    printable = all((byte >= 0x20 and byte != 0x7F) or byte in _TEXT_CONTROLS for byte in head)
    if not printable:
        return ""
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            return ""
    return "text"
