"""Images in a registry, over the HTTP of all other sources.

What the reference calls an insecure registry may have any certificate, or none: then it is asked in plain text, but
only after TLS was refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from importer_image import job
from importer_image.errors import Transient, told_as
from importer_image.log import log
from importer_image.source import OnBytes, Source
from importer_image.source.answer import Busy, Refused
from importer_image.source.fault import PlainText
from importer_image.source.registry import manifest
from importer_image.source.registry.badge import RegistryBadge
from importer_image.source.registry.body import body_of
from importer_image.source.registry.digest import verify
from importer_image.source.registry.logins import login_for
from importer_image.source.registry.manifest import Descriptor
from importer_image.source.registry.reference import Reference
from importer_image.source.site import Site

HINTS = {
    401: "The registry wants a user and a password: name a secret with them, e.g. a docker-registry one.",
    403: "The registry does not allow this user to pull the image.",
    404: "There is no such image in the registry: check its name and tag.",
}
PULL_FAILED = "failed to pull image"
"""Clients and the controller look for it (spec 5.3)."""


class RemoteStore:
    def __init__(
        self,
        source: job.Source,
        reference: Reference,
        connections: int,
        environment: Mapping[str, str],
        on_bytes: OnBytes,
    ) -> None:
        self.name = reference.shown
        self._source = source
        self._reference = reference
        self._connections = connections
        self._environment = environment
        self._on_bytes = on_bytes
        self._login = login_for(reference, source.secret_dir) if source.secret_dir else ""
        self._site = self._site_at("https")

    def first(self) -> bytes:
        """The document that the reference names; settles how to speak to the registry."""
        try:
            return self.document(self._reference.digest)
        except (PlainText, Transient) as failure:
            if not self._source.insecure or isinstance(failure, Busy):
                raise
            log("asking the insecure registry without TLS", registry=self._reference.domain, error=failure.text)
            self._site = self._site_at("http")
            try:
                return self.document(self._reference.digest)
            except Transient as plain:
                raise (plain if isinstance(failure, PlainText) else failure) from plain

    def document(self, digest: str) -> bytes:
        """A manifest or index by its digest; the one that the reference names where there is none."""
        identifier = digest or self._reference.tag
        where = f"reading manifest {identifier} in {self._reference.domain}/{self._reference.repository}"
        with told_as(f"{PULL_FAILED}: {where}"):
            content = self._get(f"manifests/{identifier}", manifest.LIMIT_BYTES)
            if digest:
                verify(content, digest, "the manifest")
            return content

    def blob(self, descriptor: Descriptor) -> bytes:
        with told_as(f"{PULL_FAILED}: reading blob {descriptor.digest}"):
            content = self._get(f"blobs/{descriptor.digest}", manifest.LIMIT_BYTES)
            verify(content, descriptor.digest, "the blob")
            return content

    def layer(self, descriptor: Descriptor) -> Source:
        from importer_image.source.http import open_site

        with told_as(f"{PULL_FAILED}: reading blob {descriptor.digest}"), hinted():
            return open_site(self._at(f"blobs/{descriptor.digest}"), self._connections, self._on_bytes)

    def close(self) -> None:
        """Nothing stays open between requests."""

    def _get(self, path: str, limit_bytes: int) -> bytes:
        with hinted():
            return body_of(self._at(path), limit_bytes)

    def _at(self, path: str) -> Site:
        return self._site.elsewhere(f"{self._site.origin.shown}{self._reference.repository}/{path}")

    def _site_at(self, scheme: str) -> Site:
        """The registry, reached that way."""
        url = f"{scheme}://{self._reference.host}/v2/"
        accept = f"Accept: {', '.join(manifest.ACCEPTED)}, */*;q=0.1"
        source = job.Source(
            "registry", url, ca_dirs=self._source.ca_dirs, insecure=self._source.insecure, headers=(accept,)
        )
        site = Site(source, self._environment)
        scope = f"repository:{self._reference.repository}:pull"
        return site.elsewhere(url, RegistryBadge(site, self._login, scope, self._source.insecure))


@contextmanager
def hinted() -> Iterator[None]:
    """What the user of a registry can do about an answer."""
    try:
        yield
    except Refused as failure:
        failure.hint = HINTS.get(failure.status, failure.hint)
        raise
    except PlainText as failure:
        failure.hint = "If the registry is to be asked without TLS, name it in insecureRegistries (--insecure)."
        raise
