"""The few questions that `up` and `status` ask the API server, over one keep-alive connection as the administrator."""

import http.client
import json
import ssl
from typing import Any

from devcluster.errors import DevclusterError
from devcluster.layout import API_PORT, NODE_IP, PKI


class Api:
    """A client of the embedded cluster's API server; raises OSError while it does not answer."""

    def __init__(self, timeout_s: float = 10) -> None:
        context = ssl.create_default_context(cafile=str(PKI / "ca.crt"))
        context.load_cert_chain(PKI / "admin.crt", PKI / "admin.key")
        self._connection = http.client.HTTPSConnection(NODE_IP, API_PORT, timeout=timeout_s, context=context)

    def get(self, path: str) -> dict[str, Any] | None:
        """The object at `path`; None when there is none (404)."""
        try:
            self._connection.request("GET", path)
            response = self._connection.getresponse()
            body = response.read()
        except http.client.HTTPException as error:
            self._connection.close()
            raise OSError(f"the API server broke off: {error!r}") from error
        if response.status == 404:
            return None
        if response.status != 200:
            raise DevclusterError(f"the API server answered {response.status} to {path}: {body[:300]!r}")
        found: dict[str, Any] = json.loads(body)
        return found

    def items(self, path: str) -> list[dict[str, Any]]:
        """The items of the list at `path`; none when the kind is not served."""
        found = self.get(path)
        return list(found["items"]) if found else []
