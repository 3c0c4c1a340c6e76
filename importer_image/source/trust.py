"""Whom to believe: TLS contexts from certificate directories (spec 5.3, 5.7)."""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence

from importer_image.errors import Permanent
from importer_image.log import log


def context_of(ca_dirs: Sequence[str], insecure: bool) -> ssl.SSLContext:
    """The system's authorities and every file of the directories, whatever its name. TLS 1.2 at least."""
    context = ssl.create_default_context()
    # As the reference does: a server's own certificate may be trusted directly, and authorities made by simple tools
    # (without key usage or key identifiers) are accepted.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    for path in certificate_files(ca_dirs):
        try:
            context.load_verify_locations(cafile=path)
        except (ssl.SSLError, OSError) as error:
            log("skipping a file that is no certificate", path=path, error=str(error))
    return context


def certificate_files(ca_dirs: Sequence[str]) -> list[str]:
    """Names with a dot in front are Kubernetes' own links to the versions of a ConfigMap.

    Raises Permanent for a directory without files: whoever named it would be told of an unknown authority otherwise.
    """
    files: list[str] = []
    for directory in ca_dirs:
        try:
            names = sorted(os.listdir(directory))
        except OSError as error:
            raise Permanent(f"cannot read certificates in {directory}: {error.strerror}") from error
        paths = (os.path.join(directory, name) for name in names if not name.startswith("."))
        found = [path for path in paths if os.path.isfile(path)]
        if not found:
            raise Permanent(
                f"there are no certificates in {directory}", "The ConfigMap does not exist, or has no keys (yet)."
            )
        files += found
    return files
