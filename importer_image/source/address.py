"""URLs, proxies and what may be sent where. Pure.

Proxies follow the environment as the reference's language reads it: http_proxy, https_proxy and no_proxy in either
case, names with and without a dot in front, addresses, CIDR blocks and ports; this machine itself is never asked for
through a proxy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from importer_image.errors import Permanent

PORTS = {"http": 80, "https": 443}
SIGNATURES = ("x-amz-signature=", "x-goog-signature=", "signature=", "sig=")
"""Parameters of a URL that lets in whoever has it, for a while: of S3, Google's and Azure's storage."""
_LEFT_AS_IT_IS = "/?%:@!$&'()*+,;=~-._[]"


@dataclass(frozen=True)
class Address:
    """One http(s) URL, taken apart. `target` is path and query, ready for a request line."""

    scheme: str
    host: str
    port: int
    target: str
    credentials: str = ""
    """`user:password` from the URL."""

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def shown(self) -> str:
        """The URL without credentials, for messages and logs."""
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def signed(self) -> bool:
        """Whether the URL itself is the permission, which ends some time."""
        query = self.target.partition("?")[2].lower()
        return any(parameter.startswith(SIGNATURES) for parameter in query.split("&"))

    @property
    def fingerprint(self) -> str:
        """The URL without anything secret, different for different URLs: signatures stand in the query."""
        from hashlib import sha256

        path, _, query = self.target.partition("?")
        digest = f"?sha256:{sha256(query.encode()).hexdigest()}" if query else ""
        return f"{self.scheme}://{self.authority}{path}{digest}"


def parse(url: str) -> Address:
    """Raises Permanent for what is not an http(s) URL."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise _invalid(url, str(error)) from error
    if parts.scheme not in PORTS or not parts.hostname:
        raise _invalid(url, "it must look like http://host/path or https://host/path")
    try:
        host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode()
    except UnicodeError as error:
        raise _invalid(url, "the host name is not valid") from error
    target = quote(urlunsplit(("", "", parts.path or "/", parts.query, "")), safe=_LEFT_AS_IT_IS)
    user = unquote(parts.username or "")
    credentials = f"{user}:{unquote(parts.password or '')}" if user else ""
    return Address(parts.scheme, host, port or PORTS[parts.scheme], target, credentials)


def redirected(address: Address, location: str) -> Address:
    """Where an answer with that Location header sends us. Raises Permanent when that is not http(s)."""
    found = parse(urljoin(address.shown, location))
    return found if found.credentials or not keeps_secrets(address, found) else _with_credentials(found, address)


def keeps_secrets(origin: Address, other: Address) -> bool:
    """Whether passwords and secret headers meant for `origin` may go to `other`.

    The reference sends them along every redirect; we send them only to the same host, and never from TLS to plain text.
    """
    return origin.host == other.host and not (origin.scheme == "https" and other.scheme == "http")


def proxy_for(address: Address, environment: Mapping[str, str]) -> Address | None:
    """The proxy that the environment names for this address; raises Permanent when its URL is not valid."""

    def setting(name: str) -> str:
        return environment.get(name) or environment.get(name.upper()) or ""

    proxy = setting(f"{address.scheme}_proxy")
    if not proxy or _local(address.host) or _excepted(address, setting("no_proxy")):
        return None
    return parse(proxy if "://" in proxy else f"http://{proxy}")


def _excepted(address: Address, no_proxy: str) -> bool:
    return any(_matches(address, rule.strip().lower()) for rule in no_proxy.split(",") if rule.strip())


def _matches(address: Address, rule: str) -> bool:
    if rule == "*":
        return True
    if "/" in rule:
        return _in_network(address.host, rule)
    host, port = _host_and_port(rule)
    if port and port != address.port:
        return False
    suffix = host.removeprefix("*")
    name = address.host.lower().rstrip(".")
    if suffix.startswith("."):
        return name.endswith(suffix)
    return name == suffix or name.endswith(f".{suffix}")


def _host_and_port(rule: str) -> tuple[str, int]:
    if rule.startswith("["):
        host, _, port = rule[1:].partition("]")
        return host, int(port[1:]) if port[1:].isdecimal() else 0
    if rule.count(":") != 1:
        return rule, 0
    host, _, port = rule.partition(":")
    return host, int(port) if port.isdecimal() else 0


def _in_network(host: str, network: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _local(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _with_credentials(address: Address, origin: Address) -> Address:
    return Address(address.scheme, address.host, address.port, address.target, origin.credentials)


def _invalid(url: str, why: str) -> Permanent:
    return Permanent(f"unable to parse endpoint {url!r}: {why}", "Correct the URL of the source.")
