"""Where the API server is and how we prove who we are.

`kubernetes.aio.config` reads both ways of being told: the service account of a pod, and a kubeconfig with whatever
it uses (tokens, certificates, exec plugins). Everything else of that package is left alone, see `client`.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes.aio import config
from kubernetes.aio.client import Configuration


@dataclass(frozen=True)
class Access:
    """Made once by `load`; `authorization` is asked for every request, since tokens are rotated."""

    configuration: Any
    kubeconfig: str | None

    @classmethod
    async def load(cls, kubeconfig: str | None = None) -> Access:
        """From a kubeconfig file, or from the pod's service account when None.

        Raises `kubernetes.aio.config.ConfigException` when there is neither.
        """
        access = cls(Configuration(), kubeconfig)
        await access.renew()
        return access

    async def renew(self) -> None:
        """Read the credentials again: the server did not take them any more."""
        if self.kubeconfig is None:
            config.load_incluster_config(client_configuration=self.configuration)
            return
        if not _exists(self.kubeconfig):
            raise config.ConfigException(f"{self.kubeconfig} is not there")
        try:
            await config.load_kube_config(config_file=self.kubeconfig, client_configuration=self.configuration)
        except config.ConfigException:
            raise
        except Exception as error:  # whatever its YAML and the package's code make of it
            raise config.ConfigException(f"{self.kubeconfig} is not a kubeconfig: {error}") from error

    @property
    def server(self) -> str:
        return str(self.configuration.host).rstrip("/")

    async def authorization(self) -> str | None:
        """Value of the Authorization header; None when a client certificate (or nothing) identifies us."""
        key = await self.configuration.get_api_key_with_prefix("BearerToken")
        return str(key) if key else None

    def tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.configuration.ssl_ca_cert)
        if self.configuration.cert_file:
            context.load_cert_chain(self.configuration.cert_file, self.configuration.key_file)
        if not self.configuration.verify_ssl:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def _exists(kubeconfig: str) -> bool:
    """It may be several files, as in $KUBECONFIG."""
    return any(Path(part).is_file() for part in kubeconfig.split(os.pathsep))
