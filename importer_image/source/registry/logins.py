"""The user and password for a registry, from the secret of the import.

Either accessKeyId and secretKey, as for every source, or what `docker login` and Kubernetes know (.dockerconfigjson):
there the most exact entry for the registry and repository counts, as the kubelet reads it.
"""

from __future__ import annotations

import binascii
import json
import os
from base64 import b64decode
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from importer_image.errors import Permanent
from importer_image.log import log
from importer_image.source.registry.reference import DOCKER_HUB, DOCKER_HUB_HOST, Reference

DOCKER_CONFIGS = (".dockerconfigjson", "config.json", ".dockercfg")
LIMIT_BYTES = 1 << 20
"""Of a Kubernetes secret."""
_DOCKER_HUB_NAMES = (DOCKER_HUB, f"index.{DOCKER_HUB}", DOCKER_HUB_HOST)


def login_for(reference: Reference, secret_dir: str) -> str:
    """`user:password`; empty where the secret has nothing for this registry. Raises Permanent."""
    for name in DOCKER_CONFIGS:
        path = os.path.join(secret_dir, name)
        if os.path.exists(path):
            login = login_in(_read(path), reference)
            if not login:
                log("the secret has no entry for the registry", registry=reference.domain)
            return login
    if not os.path.exists(os.path.join(secret_dir, "accessKeyId")):
        raise Permanent(
            f"cannot read the secret {secret_dir}: it has neither accessKeyId and secretKey nor .dockerconfigjson",
            "Make it with kubectl create secret docker-registry, or with the keys accessKeyId and secretKey.",
        )
    from importer_image.source.site import keys_in

    return ":".join(keys_in(secret_dir))


def login_in(config: bytes, reference: Reference) -> str:
    """From a Docker configuration. Raises Permanent when it is none."""
    try:
        found = json.loads(config)
        entries: Mapping[str, Any] = found.get("auths", found)
        fitting = {key: value for key, value in entries.items() if _fits(key, reference) and isinstance(value, dict)}
    except (ValueError, RecursionError, AttributeError) as error:
        raise _broken("it is not the JSON of a Docker configuration") from error
    return _login(fitting[max(fitting, key=_exactness)]) if fitting else ""


def _login(entry: Mapping[str, Any]) -> str:
    user, password = entry.get("username"), entry.get("password")
    if isinstance(user, str) and isinstance(password, str) and user:
        return f"{user}:{password.strip()}"
    try:
        packed = str(entry.get("auth") or "").strip()
        text = b64decode(packed + "=" * (-len(packed) % 4), validate=True).decode().strip("\0\r\n ")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise _broken("`auth` of the registry is not user:password in base64") from error
    return text if ":" in text else ""


def _fits(key: str, reference: Reference) -> bool:
    host, _, path = _bare(key).partition("/")
    names = _DOCKER_HUB_NAMES if reference.domain == DOCKER_HUB else (reference.domain,)
    if not any(_same_host(host, name) for name in names):
        return False
    path = path.strip("/")
    return path in ("", "v1", "v2") or reference.repository == path or reference.repository.startswith(f"{path}/")


def _same_host(pattern: str, host: str) -> bool:
    """A star stands for one part of the name."""
    parts, names = pattern.lower().split("."), host.split(".")
    return len(parts) == len(names) and all(fnmatchcase(name, part) for part, name in zip(parts, names, strict=True))


def _exactness(key: str) -> tuple[int, int]:
    return len(_bare(key)), -key.count("*")


def _bare(key: str) -> str:
    return key.partition("://")[2] if "://" in key else key


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(LIMIT_BYTES)
    except OSError as error:
        raise Permanent(f"cannot read the secret {path}: {error.strerror}") from error


def _broken(why: str) -> Permanent:
    return Permanent(
        f"cannot read the secret of the registry: {why}", "Make it with kubectl create secret docker-registry."
    )
