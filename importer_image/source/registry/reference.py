"""What an image is called: docker://host[:port]/repository[:tag|@digest]. Pure.

Names are completed as every tool does it: without a host it is Docker Hub, without a tag `latest`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from importer_image.errors import ImportFailure, Permanent
from importer_image.source import address
from importer_image.source.registry.digest import DIGEST

SCHEME = "docker:"
DOCKER_HUB = "docker.io"
DOCKER_HUB_HOST = "registry-1.docker.io"

_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(f"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)


@dataclass(frozen=True)
class Reference:
    domain: str
    """Host and port as the user knows them."""
    repository: str
    tag: str = ""
    digest: str = ""
    """Decides where both are given."""

    @property
    def host(self) -> str:
        """Whom to ask: host[:port]."""
        return DOCKER_HUB_HOST if self.domain == DOCKER_HUB else self.domain

    @property
    def shown(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"docker://{self.domain}/{self.repository}{tag}{digest}"


def parse(url: str) -> Reference:
    """Raises Permanent for what is no reference."""
    text = url.strip()
    if not text.startswith(f"{SCHEME}//"):
        raise _invalid(url)
    name, at, digest = text.removeprefix(f"{SCHEME}//").partition("@")
    if at and not DIGEST.fullmatch(digest):
        raise _invalid(url)
    domain, path = _split_domain(name)
    repository, colon, tag = path.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise _invalid(url)
    if not _REPOSITORY.fullmatch(repository):
        raise _invalid(url, "Names of repositories are in lower case." if repository != repository.lower() else "")
    try:
        address.parse(f"https://{domain}/")
    except ImportFailure as failure:
        raise _invalid(url) from failure
    if domain == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    return Reference(domain, repository, tag or ("" if digest else "latest"), digest)


def _split_domain(name: str) -> tuple[str, str]:
    """The first part is a host when it looks like one."""
    first, slash, rest = name.partition("/")
    if slash and (any(sign in first for sign in ".:[") or first == "localhost" or first != first.lower()):
        return DOCKER_HUB if first.lower() == f"index.{DOCKER_HUB}" else first.lower(), rest
    return DOCKER_HUB, name


def _invalid(url: str, hint: str = "") -> Permanent:
    return Permanent(
        f"Could not parse image: {url!r}: invalid reference format",
        hint or "Write it like docker://registry.example/repository:tag",
    )
