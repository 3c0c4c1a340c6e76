"""oVirt's engine: the five requests of its REST API that a download needs.

In XML, which every engine speaks and the reference, too. With basic auth rather than a token of the single sign-on:
nothing expires while a large disk is copied, and nothing has to be given back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Literal
from urllib.parse import quote
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from importer_image import job
from importer_image.errors import ImportFailure, Permanent, Transient
from importer_image.source.imageio.exchange import Reply, exchange
from importer_image.source.site import Site

HEADERS = {"Accept": "application/xml", "Content-Type": "application/xml", "Version": "4"}


Form = Literal["raw", "cow"]
"""The disk with all that lies below a snapshot, or the qcow2 file of the snapshot alone."""


class Locked(Transient):
    """Something else works on the disk."""


@dataclass(frozen=True)
class Wanted:
    disk_id: str
    snapshot_id: str
    """Of the disk's snapshot, which oVirt calls its image; empty for the disk as it is."""
    form: Form
    inactivity_s: int


@dataclass(frozen=True)
class State:
    """Of an image transfer."""

    id: str
    phase: str
    urls: tuple[str, ...]
    """Where the bytes are: on the host itself, and through the engine's proxy."""


class Engine:
    def __init__(self, source: job.Source, environment: Mapping[str, str]) -> None:
        self._site = Site(source, environment)
        self._root = self._site.origin.target.rstrip("/")

    def require_disk(self, disk_id: str) -> None:
        """Raises Permanent when there is no such disk, Locked when it has to be waited for."""
        reply = self._ask("GET", f"/disks/{quote(disk_id, safe='')}")
        if reply.status == HTTPStatus.NOT_FOUND:
            raise Permanent(f"disk {disk_id} not found", "Check diskId: it is shown on the disk's page in oVirt.")
        if _good(reply).findtext("status", "") == "locked":
            raise Locked(f"disk {disk_id} is locked", "Something else works on it in oVirt; the import waits for it.")

    def begin(self, wanted: Wanted) -> State:
        transfer = Element("image_transfer")
        if wanted.snapshot_id:
            ElementTree.SubElement(transfer, "snapshot", id=wanted.snapshot_id)
        else:
            ElementTree.SubElement(transfer, "disk", id=wanted.disk_id)
        ElementTree.SubElement(transfer, "direction").text = "download"
        ElementTree.SubElement(transfer, "format").text = wanted.form
        ElementTree.SubElement(transfer, "inactivity_timeout").text = str(wanted.inactivity_s)
        return _state(_good(self._ask("POST", "/imagetransfers", ElementTree.tostring(transfer))))

    def state(self, transfer_id: str) -> State | None:
        """None: it is over and forgotten."""
        reply = self._ask("GET", f"/imagetransfers/{transfer_id}")
        return None if reply.status == HTTPStatus.NOT_FOUND else _state(_good(reply))

    def act(self, transfer_id: str, action: Literal["extend", "finalize", "cancel"]) -> None:
        _good(self._ask("POST", f"/imagetransfers/{transfer_id}/{action}", b"<action/>"))

    def _ask(self, method: str, path: str, body: bytes | None = None) -> Reply:
        return exchange(self._site, method, replace(self._site.origin, target=self._root + path), HEADERS, body)


def _good(reply: Reply) -> Element:
    """What the engine says; raises what it complains about."""
    try:
        found = ElementTree.fromstring(reply.body)
    except ElementTree.ParseError as error:
        if not reply.good:
            raise reply.failure() from error
        raise Permanent(
            f"the answer of the engine is not XML ({error})",
            "The URL must be that of the API of oVirt's engine: https://HOST/ovirt-engine/api",
        ) from error
    if not reply.good:
        raise _complaint(reply, found)
    return found


def _complaint(reply: Reply, fault: Element) -> ImportFailure:
    detail = fault.findtext("detail", "").strip("[]")
    if "locked" in detail.lower():
        return Locked(detail, "Something else works on the disk in oVirt; the import waits for it.")
    failure = reply.failure()
    if detail:
        failure.text = f"{fault.findtext('reason') or reply.reason}: {detail}"
    return failure


def _state(transfer: Element) -> State:
    urls = (transfer.findtext(name, "") for name in ("transfer_url", "proxy_url"))
    return State(transfer.get("id", ""), transfer.findtext("phase", ""), tuple(url for url in urls if url))
