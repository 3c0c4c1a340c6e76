"""URLs, redirects, proxies, answers and patience, as tables."""

from __future__ import annotations

from email.message import Message
from email.utils import formatdate

import pytest

from importer_image.errors import ImportFailure, Permanent, Transient
from importer_image.source.address import Address, keeps_secrets, parse, proxy_for, redirected
from importer_image.source.answer import (
    Answer,
    Busy,
    Changed,
    Facts,
    Refused,
    WrongRange,
    retry_after_s,
    same,
    understood,
)
from importer_image.source.http import Group, groups_of
from importer_image.source.patience import OPENING, READING, Patience
from importer_image.source.site import parse_header

MIB = 1 << 20


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://host/x", Address("http", "host", 80, "/x")),
        ("https://host", Address("https", "host", 443, "/")),
        ("http://host:8080/a/b?c=d&e#f", Address("http", "host", 8080, "/a/b?c=d&e")),
        ("HTTP://HOST/X", Address("http", "host", 80, "/X")),
        (" http://host/x\n", Address("http", "host", 80, "/x")),
        ("http://host/a b/ü.img", Address("http", "host", 80, "/a%20b/%C3%BC.img")),
        ("http://host/a%20b?sig=%2B%2F", Address("http", "host", 80, "/a%20b?sig=%2B%2F")),
        ("http://me:p%40ss:word@host/x", Address("http", "host", 80, "/x", "me:p@ss:word")),
        ("http://me@host/x", Address("http", "host", 80, "/x", "me:")),
        ("http://[fd00::1]:81/x", Address("http", "fd00::1", 81, "/x")),
        ("http://bücher.example/x", Address("http", "xn--bcher-kva.example", 80, "/x")),
    ],
)
def test_parse(url: str, address: Address) -> None:
    assert parse(url) == address


@pytest.mark.parametrize(
    "url", ["", "host/x", "htdsd://@#$%&%$^@#%%$&", "ftp://host/x", "http://", "http://host:port/", "http://host:99999/",
            "http://[fd00::1/x", "http:///x", "http://" + "ü" * 300 + "/"]
)  # fmt: skip
def test_not_a_url(url: str) -> None:
    with pytest.raises(Permanent, match="unable to parse endpoint"):
        parse(url)


@pytest.mark.parametrize(
    ("query", "signed"),
    [
        ("", False),
        ("?a=b&x-id=GetObject", False),
        ("?design=x", False),
        ("?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0a", True),
        ("?X-Goog-Signature=0a", True),
        ("?AWSAccessKeyId=A&Signature=0a&Expires=1", True),
        ("?sv=2024&sig=0a", True),
    ],
)
def test_signed(query: str, signed: bool) -> None:
    assert parse(f"https://host/x{query}").signed == signed


def test_credentials_are_never_shown() -> None:
    assert parse("https://me:secret@host:444/x?y").shown == "https://host:444/x?y"


@pytest.mark.parametrize(
    ("origin", "location", "where"),
    [
        ("http://a/x/y", "/z", "http://a/z"),
        ("http://a/x/y", "z", "http://a/x/z"),
        ("http://a/x", "https://b/z?q", "https://b/z?q"),
        ("https://a/x", "//b/z", "https://b/z"),
    ],
)
def test_redirect(origin: str, location: str, where: str) -> None:
    assert redirected(parse(origin), location).shown == where


@pytest.mark.parametrize(
    ("origin", "other", "kept"),
    [
        ("http://a/", "http://a/x", True),
        ("http://a/", "http://a:81/x", True),
        ("http://a/", "https://a/x", True),
        ("https://a/", "http://a/x", False),
        ("http://a/", "http://b/x", False),
        ("http://a/", "http://a.b/x", False),
    ],
)
def test_secrets_stay_with_their_host(origin: str, other: str, kept: bool) -> None:
    assert keeps_secrets(parse(origin), parse(other)) is kept
    address = redirected(parse(origin.replace("//", "//me:secret@")), other)
    assert address.credentials == ("me:secret" if kept else "")


PROXY = "http://proxy:3128"


@pytest.mark.parametrize(
    ("url", "no_proxy", "used"),
    [
        ("http://example.com/", "", True),
        ("http://example.com/", "*", False),
        ("http://example.com/", "example.com", False),
        ("http://a.example.com/", "example.com", False),
        ("http://a.example.com/", ".example.com", False),
        ("http://a.example.com/", "*.example.com", False),
        ("http://example.com/", ".example.com", True),
        ("http://badexample.com/", "example.com", True),
        ("http://example.com/", "other.com, EXAMPLE.com ,", False),
        ("http://example.com:8080/", "example.com:8080", False),
        ("http://example.com:8080/", "example.com:9090", True),
        ("http://10.1.2.3/", "10.0.0.0/8", False),
        ("http://11.1.2.3/", "10.0.0.0/8", True),
        ("http://10.1.2.3/", "10.1.2.3", False),
        ("http://[fd00::1]/", "fd00::/8", False),
        ("http://[fd00::1]/", "[fd00::1]", False),
        ("http://[fd00::1]/", "fd00::1", False),
        ("http://example.com/", "nonsense/8", True),
        ("http://localhost/", "", False),
        ("http://127.0.0.1:81/", "", False),
        ("http://[::1]/", "", False),
    ],
)
def test_proxy_exceptions(url: str, no_proxy: str, used: bool) -> None:
    found = proxy_for(parse(url), {"http_proxy": PROXY, "no_proxy": no_proxy})
    assert (found is not None) is used


@pytest.mark.parametrize(
    ("url", "environment", "proxy"),
    [
        ("http://a/", {"http_proxy": "http://p:1"}, parse("http://p:1")),
        ("http://a/", {"HTTP_PROXY": "http://p:1"}, parse("http://p:1")),
        ("http://a/", {"http_proxy": "p:1"}, parse("http://p:1")),
        ("http://a/", {"http_proxy": "https://foo:bar@p"}, parse("https://foo:bar@p")),
        ("http://a/", {"https_proxy": "http://p:1"}, None),
        ("https://a/", {"http_proxy": "http://p:1"}, None),
        ("https://a/", {"https_proxy": "http://p:1"}, parse("http://p:1")),
        ("http://a/", {"http_proxy": ""}, None),
    ],
)
def test_proxy(url: str, environment: dict[str, str], proxy: Address | None) -> None:
    assert proxy_for(parse(url), environment) == proxy


def headers(**fields: str) -> Message:
    message = Message()
    for name, text in fields.items():
        message[name.replace("_", "-")] = text
    return message


def wanted(first: int | None) -> tuple[int, int] | None:
    """A hundred bytes."""
    return None if first is None else (first, first + 99)


@pytest.mark.parametrize(
    ("status", "fields", "asked", "answer"),
    [
        (206, {"Content_Range": "bytes 0-9/100"}, 0, Answer(Facts(100), 0, 10, True)),
        (206, {"Content_Range": "bytes 0-49/50"}, 0, Answer(Facts(50), 0, 50, True)),
        (206, {"content_range": "bytes 5-9/100", "ETAG": "x"}, 5, Answer(Facts(100, "x"), 5, 5, True)),
        (200, {"Content_Length": "7"}, 0, Answer(Facts(7), 0, 7, False)),
        (200, {}, None, Answer(Facts(None), 0, None, False)),
        (416, {"Content_Range": "bytes */0"}, 0, Answer(Facts(0), 0, 0, False)),
    ],
)
def test_answers(status: int, fields: dict[str, str], asked: int | None, answer: Answer) -> None:
    assert understood(status, "", headers(**fields), wanted(asked), 0.0) == answer


@pytest.mark.parametrize(
    ("status", "fields", "asked", "failure", "text"),
    [
        (206, {"Content_Range": "bytes 1-9/100"}, 0, WrongRange, "answers a request for the bytes 0-99 with"),
        (206, {"Content_Range": "bytes 0-100/200"}, 0, WrongRange, "answers a request"),
        (206, {"Content_Range": "bytes 0-100/100"}, 0, WrongRange, "answers a request"),
        (206, {}, 0, WrongRange, "answers a request"),
        (400, {}, 0, WrongRange, "got 400. Status: 400 Bad Request"),
        (400, {}, None, Refused, "got 400. Status: 400 Bad Request"),
        (404, {}, 0, Refused, "expected status code 200, got 404. Status: 404 Not Found"),
        (206, {}, None, Refused, "got 206"),
        (503, {"Retry_After": "7"}, 0, Busy, "got 503. Status: 503 Service Unavailable"),
        (599, {}, 0, Refused, "expected status code 200, got 599. Status: 599"),
    ],
)
def test_refusals(status: int, fields: dict[str, str], asked: int | None, failure: type, text: str) -> None:
    with pytest.raises(ImportFailure, match=text) as found:
        understood(status, "", headers(**fields), wanted(asked), 0.0)
    assert type(found.value) is failure


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", 0),
        ("7", 7),
        ("0", 0),
        ("100000", 60),
        ("soon", 0),
        (formatdate(1030, usegmt=True), 30),
        (formatdate(900), 0),
    ],
)
def test_retry_after(text: str, seconds: float) -> None:
    assert retry_after_s(headers(Retry_After=text), 1000.0) == seconds


@pytest.mark.parametrize(
    ("before", "now", "changed"),
    [
        (Facts(1, "a", "m"), Facts(1, "a", "m"), False),
        (Facts(1, "a", "m"), Facts(1, "b", "m"), True),
        (Facts(1, "", "m"), Facts(1, "", "n"), True),
        (Facts(1), Facts(2), True),
        (Facts(1, "a"), Facts(None, ""), False),
        (Facts(None), Facts(5, "a"), False),
    ],
)
def test_changes(before: Facts, now: Facts, changed: bool) -> None:
    if changed:
        with pytest.raises(Changed):
            same(before, now)
    else:
        same(before, now)


def test_patience() -> None:
    assert [Patience(5, 0.1, 0.5).pause_s(n) for n in (1, 2, 3, 4, 5)] == [0.1, 0.2, 0.4, 0.5, None]
    assert Patience(5, 0.1, 0.5).pause_s(1, 7.0) == 7.0
    assert sum(OPENING.pause_s(n) or 0 for n in range(1, OPENING.attempts)) < 1
    assert sum(READING.pause_s(n) or 0 for n in range(1, READING.attempts)) > 20


@pytest.mark.parametrize(
    ("ranges", "connections", "groups"),
    [
        ([], 4, []),
        ([(5, 10)], 4, [Group(0, 5, 10)]),
        ([(0, 3 * MIB)], 4, [Group(0, 0, MIB), Group(1, MIB, MIB), Group(2, 2 * MIB, MIB)]),
        ([(0, 10), (100, MIB + 1)], 4, [Group(0, 0, 10), Group(1, 100, MIB), Group(2, 100 + MIB, 1)]),
        ([(0, 16 * MIB)], 1, [Group(4 * n, 4 * n * MIB, 4 * MIB) for n in range(4)]),
        ([(0, 24 * MIB)], 1, [Group(6 * n, 6 * n * MIB, 6 * MIB) for n in range(4)]),
        ([(7, 1 << 30)], 2, [Group(8 * n, 7 + 8 * n * MIB, 8 * MIB) for n in range(128)]),
    ],
)
def test_groups(ranges: list[tuple[int, int]], connections: int, groups: list[Group]) -> None:
    assert groups_of(ranges, connections) == groups


def test_slices_of_a_group() -> None:
    assert list(Group(3, 100, 2 * MIB + 5).slices) == [(3, 100, MIB), (4, 100 + MIB, MIB), (5, 100 + 2 * MIB, 5)]


@pytest.mark.parametrize(("text", "header"), [("A: b", ("A", "b")), ("A:b:c ", ("A", "b:c")), ("A:", ("A", ""))])
def test_header(text: str, header: tuple[str, str]) -> None:
    assert parse_header(text) == header


@pytest.mark.parametrize("text", ["", "no colon", ": nameless"])
def test_invalid_header(text: str) -> None:
    with pytest.raises(Permanent, match="invalid extra header"):
        parse_header(text)


def test_kinds_of_failure() -> None:
    assert (Transient("").kind, Permanent("").kind) == ("transient", "permanent")
