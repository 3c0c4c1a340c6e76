"""What is wrong with a source of data: of a DataVolume, a DataImportCron's template or a VolumeImportSource (spec 7.2).

`path` is where the source's owner stands, `spec` or `Template`; some texts begin with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from cdi_operator.apiserver.rules.cause import Cause, Causes

CONTENT_TYPES = ("kubevirt", "archive")
HEX_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
WITH_URL = {"http": "HTTP", "s3": "S3", "gcs": "GCS", "imageio": "Imageio", "vddk": "VDDK"}
"""Sources with an address, and what they are called in the path of a field."""
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*(?=:)", re.IGNORECASE | re.ASCII)
_NOT_IN_A_URL = re.compile(r"[\x00-\x20\x7f]|%(?![0-9a-f]{2})", re.IGNORECASE)

Source = Mapping[str, Any]


def members(source: Source) -> list[str]:
    """The kinds of source that are set."""
    return [kind for kind, given in source.items() if given is not None]


def content_type(given: str, path: str) -> Causes:
    if given and given not in CONTENT_TYPES:
        yield Cause(f"ContentType not one of: {', '.join(CONTENT_TYPES)}", f"{path}.contentType")


def source(given: Source, content: str, path: str) -> Causes:
    """Of a source with exactly one member; `content` is the content type, empty for kubevirt."""
    [kind] = members(given)
    if kind in WITH_URL:
        yield from address(given[kind].get("url") or "", path, WITH_URL[kind])
    if content == "archive" and kind == "blank":
        yield Cause("SourceType cannot be blank and the contentType be archive", f"{path}.contentType")
    if content == "archive" and kind == "registry":
        yield Cause("ContentType must be kubevirt when Source is Registry", f"{path}.contentType")
    if kind in _OF_ITS_OWN:
        yield from _OF_ITS_OWN[kind](given[kind], f"{path}.source")


def address(url: str, path: str, name: str) -> Causes:
    field = f"{path}.source.{name}.url"
    if not url:
        yield Cause(f"{path}.source source URL is empty", field)
        return
    scheme = scheme_of(url)
    if scheme is None:
        yield Cause(f"{path}.source Invalid source URL: {url}", field)
    elif scheme not in ("http", "https", "gs"):
        yield Cause(f"{path}.source Invalid source URL scheme: {url}", field)


def scheme_of(url: str) -> str | None:
    """In lower case; empty for a path, None for text that is no URL at all."""
    found = _SCHEME.match(url)
    if _NOT_IN_A_URL.search(url) or not (found or url.startswith("/")):
        return None
    try:
        _ = urlsplit(url).port
    except ValueError:
        return None
    return found[0].lower() if found else ""


def http(given: Source, field: str) -> Causes:
    text = given.get("checksum")
    if text and (problem := wrong_checksum(text)):
        yield Cause(f"Invalid checksum format: {problem}", f"{field}.HTTP.checksum")


def wrong_checksum(text: str) -> str:
    """What is wrong with `<algorithm>:<hex digits>`; empty when nothing is."""
    algorithm, colon, digits = text.partition(":")
    if not colon:
        return f"{text!r} is not <algorithm>:<hex digits>"
    if algorithm.lower() not in HEX_DIGITS:
        return f"the algorithm {algorithm!r} is none of {', '.join(HEX_DIGITS)}"
    wanted = HEX_DIGITS[algorithm.lower()]
    if not re.fullmatch(rf"[0-9a-fA-F]{{{wanted}}}", digits, re.ASCII):
        return f"a {algorithm.lower()} has {wanted} hex digits"
    return ""


def registry(given: Source, field: str) -> Causes:
    url, stream, method = given.get("url"), given.get("imageStream"), given.get("pullMethod")
    at, at_method = f"{field}.Registry", f"{field}.Registry.importMethod"
    if (url is None) == (stream is None):
        yield Cause("Source registry should have either URL or ImageStream", at)
    if url is not None:
        scheme = scheme_of(url)
        if scheme is None:
            yield Cause(f"Illegal registry source URL {url}", f"{at}.URL")
        if scheme not in ("docker", "oci-archive"):
            yield Cause(f"Illegal registry source URL scheme {url}", f"{at}.URL")
    if method not in (None, "", "pod", "node"):
        yield Cause(f'ImportMethod {method} is neither pod, node or ""', at_method)
    if stream == "":
        yield Cause("Source registry ImageStream is not valid", at_method)
    if stream is not None and method != "node":
        text = "Source registry ImageStream is supported only with node pull import method"
        yield Cause(text, at_method)


def imageio(given: Source, field: str) -> Causes:
    at = f"{field}.Imageio"
    if not (given.get("secretRef") and given.get("diskId")):
        yield Cause(f"{at} source Imageio is not valid", at)
    if not given.get("certConfigMap") and not given.get("insecureSkipVerify"):
        yield Cause(f"{at} source Imageio requires CertConfigMap or InsecureSkipVerify", at)


def vddk(given: Source, field: str) -> Causes:
    at = f"{field}.VDDK"
    if not all(given.get(needed) for needed in ("secretRef", "uuid", "backingFile", "thumbprint")):
        yield Cause(f"{at} source VDDK is not valid", at)


def claim(given: Source, field: str) -> Causes:
    if not (given.get("namespace") and given.get("name")):
        yield Cause(f"{field}.PVC source PVC is not valid", f"{field}.PVC")


def snapshot(given: Source, field: str) -> Causes:
    if not (given.get("namespace") and given.get("name")):
        yield Cause(f"{field}.Snapshot source snapshot is not valid", f"{field}.Snapshot")


_OF_ITS_OWN: Mapping[str, Callable[[Source, str], Causes]] = {
    "http": http,
    "registry": registry,
    "imageio": imageio,
    "vddk": vddk,
    "pvc": claim,
    "snapshot": snapshot,
}
