"""What names, headers, secrets and archives of container images say, as tables."""

from __future__ import annotations

import json
import tarfile
from base64 import b64encode
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer_image.errors import Permanent
from importer_image.source import Range
from importer_image.source.registry.challenge import Challenge, challenges
from importer_image.source.registry.labels import LIMIT_BYTES, labels_in
from importer_image.source.registry.layer import leads_to, path_of
from importer_image.source.registry.logins import login_for, login_in
from importer_image.source.registry.manifest import DOCKER_LIST, Descriptor, Index, document
from importer_image.source.registry.reference import Reference, parse
from importer_image.source.registry.tape import RangeTape, StreamTape
from importer_image.source.registry.tar import Member, members
from tests.containers import directory, file, hard_link, symlink, tar

A = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("url", "reference", "host"),
    [
        ("docker://fedora", Reference("docker.io", "library/fedora", "latest"), "registry-1.docker.io"),
        ("docker://docker.io/fedora:40", Reference("docker.io", "library/fedora", "40"), "registry-1.docker.io"),
        ("docker://index.docker.io/a/b", Reference("docker.io", "a/b", "latest"), "registry-1.docker.io"),
        ("docker://a/b", Reference("docker.io", "a/b", "latest"), "registry-1.docker.io"),
        ("docker://quay.io/a/b/c:v1.2_x", Reference("quay.io", "a/b/c", "v1.2_x"), "quay.io"),
        ("docker://localhost/a", Reference("localhost", "a", "latest"), "localhost"),
        ("docker://registry:5000/a:1", Reference("registry:5000", "a", "1"), "registry:5000"),
        ("docker://[fd00::1]:5000/a", Reference("[fd00::1]:5000", "a", "latest"), "[fd00::1]:5000"),
        ("docker://Registry.Example/a", Reference("registry.example", "a", "latest"), "registry.example"),
        (f" docker://q.io/a@{A}\n", Reference("q.io", "a", "", A), "q.io"),
        (f"docker://q.io/a:1@{A}", Reference("q.io", "a", "1", A), "q.io"),
        ("docker://q.io/a__b/c-_d".replace("-_", "--"), Reference("q.io", "a__b/c--d", "latest"), "q.io"),
    ],
)
def test_reference(url: str, reference: Reference, host: str) -> None:
    assert parse(url) == reference
    assert reference.host == host


@pytest.mark.parametrize(
    "url",
    ["", "docker://", "docker:a", "quay.io/a", "docker://q.io/", "docker://q.io/A", "docker://q.io/a:", "docker://q.io/a:-x",
     "docker://q.io/a@sha256:abc", "docker://q.io/a@md5:abc", "docker://user:word@q.io/a", "docker://q.io/a/../b",
     "docker://q.io/a?b", "docker://q.io:port/a", "docker://q.io/a b", "docker://q.io//a"],
)  # fmt: skip
def test_no_reference(url: str) -> None:
    with pytest.raises(Permanent, match="invalid reference format"):
        parse(url)


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], []),
        (['Basic realm="x"'], [Challenge("basic", {"realm": "x"})]),
        (["Negotiate"], [Challenge("negotiate", {})]),
        (
            ['Bearer realm="https://a/t?x=y",service="s",scope="repository:a:pull,push"'],
            [Challenge("bearer", {"realm": "https://a/t?x=y", "service": "s", "scope": "repository:a:pull,push"})],
        ),
        (['bearer Realm = "a\\"b" , service=s'], [Challenge("bearer", {"realm": 'a"b', "service": "s"})]),
        (
            ['Negotiate, Basic realm="x", Bearer realm="y"'],
            [Challenge("negotiate", {}), Challenge("basic", {"realm": "x"}), Challenge("bearer", {"realm": "y"})],
        ),
        (["Basic", 'Bearer realm="y"'], [Challenge("basic", {}), Challenge("bearer", {"realm": "y"})]),
        (['"', "=,=", ""], []),
    ],
)
def test_challenges(headers: list[str], found: list[Challenge]) -> None:
    assert challenges(headers) == found


@pytest.mark.parametrize(
    ("parameters", "url"),
    [
        ({"realm": "https://a/t"}, "https://a/t?scope=mine"),
        ({"realm": "https://a/t?b=c", "service": "s x"}, "https://a/t?b=c&service=s+x&scope=mine"),
        ({"realm": "https://a/t", "scope": "theirs"}, "https://a/t?scope=theirs"),
    ],
)
def test_token_url(parameters: dict[str, str], url: str) -> None:
    assert Challenge("bearer", parameters).token_url("mine") == url


def auth(login: str) -> dict[str, str]:
    return {"auth": b64encode(login.encode()).decode()}


@pytest.mark.parametrize(
    ("entries", "image", "login"),
    [
        ({}, "q.io/a", ""),
        ({"q.io": auth("me:secret")}, "q.io/a", "me:secret"),
        ({"q.io": auth("me:sec:ret\n")}, "q.io/a", "me:sec:ret"),
        ({"https://q.io": auth("me:x")}, "q.io/a", "me:x"),
        ({"https://q.io/v2/": auth("me:x")}, "q.io/a", "me:x"),
        ({"q.io": {"username": "me", "password": "x\n"}}, "q.io/a", "me:x"),
        ({"q.io:5000": auth("me:x")}, "q.io/a", ""),
        ({"q.io": auth("me:x")}, "q.io:5000/a", ""),
        ({"q.io:5000": auth("me:x")}, "q.io:5000/a", "me:x"),
        ({"io": auth("me:x"), "a.q.io": auth("me:x")}, "q.io/a", ""),
        ({"*.q.io": auth("me:x")}, "a.q.io/b", "me:x"),
        ({"*.q.io": auth("me:x")}, "a.b.q.io/b", ""),
        ({"*.q.io": auth("no:x"), "a.q.io": auth("me:x")}, "a.q.io/b", "me:x"),
        ({"q.io": auth("no:x"), "q.io/team": auth("me:x")}, "q.io/team/vm", "me:x"),
        ({"q.io": auth("me:x"), "q.io/team": auth("no:x")}, "q.io/teams/vm", "me:x"),
        ({"https://index.docker.io/v1/": auth("me:x")}, "fedora", "me:x"),
        ({"docker.io": auth("me:x")}, "fedora", "me:x"),
        ({"q.io": {}}, "q.io/a", ""),
        ({"q.io": "nonsense"}, "q.io/a", ""),
    ],
)
def test_docker_configuration(entries: dict[str, object], image: str, login: str) -> None:
    reference = parse(f"docker://{image}")
    assert login_in(json.dumps({"auths": entries}).encode(), reference) == login
    assert login_in(json.dumps(entries).encode(), reference) == login


@pytest.mark.parametrize(
    "config",
    [b"", b"[]", b'{"auths": 5}', b'{"auths": {"q.io": {"auth": "%%%"}}}', b"[" * 99999],
    ids=lambda config: config[:30].decode(),
)
def test_no_docker_configuration(config: bytes) -> None:
    with pytest.raises(Permanent, match="cannot read the secret"):
        login_in(config, parse("docker://q.io/a"))


@pytest.mark.parametrize(
    ("files", "login"),
    [
        ({"accessKeyId": "me\n", "secretKey": "x\r\n"}, "me:x"),
        ({".dockerconfigjson": '{"auths": {"q.io": {"username": "me", "password": "y"}}}'}, "me:y"),
        ({"config.json": '{"auths": {"q.io": {"username": "me", "password": "z"}}}'}, "me:z"),
        ({".dockercfg": '{"q.io": {"username": "me", "password": "w"}}'}, "me:w"),
        ({".dockerconfigjson": '{"auths": {}}'}, ""),
        ({"password": "x"}, None),
        ({"accessKeyId": "me"}, None),
    ],
)
def test_secrets(files: dict[str, str], login: str | None, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    if login is None:
        with pytest.raises(Permanent, match="cannot read the secret"):
            login_for(parse("docker://q.io/a"), str(tmp_path))
    else:
        assert login_for(parse("docker://q.io/a"), str(tmp_path)) == login


@pytest.mark.parametrize(
    ("variable", "labels"),
    [
        (
            "INSTANCETYPE_KUBEVIRT_IO_DEFAULT_INSTANCETYPE=u1.x",
            {"instancetype.kubevirt.io/default-instancetype": "u1.x"},
        ),
        ("TEST_KUBEVIRT_IO_TEST=a=b", {}),
        ("TEST_KUBEVIRT_IO_TEST=", {"test.kubevirt.io/test": ""}),
        ("A_B_KUBEVIRT_IO_C_D=e", {"a.b.kubevirt.io/c-d": "e"}),
        ("KUBEVIRT_IO_C=e", {"kubevirt.io/c": "e"}),
        ("PATH=/KUBEVIRT_IO_/x", {}),
        ("TEST_KUBEVIRT_IO_TEST", {}),
        ("TEST_KUBEVIRT_IO_=x", {}),
        ("A/B_KUBEVIRT_IO_C=x", {}),
        ("A_KUBEVIRT_IO_C=two words", {}),
        (f"A_KUBEVIRT_IO_C={'x' * 64}", {}),
        (f"A_KUBEVIRT_IO_{'X' * 64}=y", {}),
    ],
)
def test_labels(variable: str, labels: dict[str, str]) -> None:
    assert labels_in([variable]) == labels


def test_labels_fit_into_a_report() -> None:
    found = labels_in(f"A_KUBEVIRT_IO_{number}={'x' * 60}" for number in range(1000))
    assert len(found) > 20
    assert sum(len(key) + len(value) for key, value in found.items()) < LIMIT_BYTES


def entry(architecture: str, variant: str = "", os: str = "linux") -> Descriptor:
    return Descriptor("", A, 1, architecture, os, variant)


@pytest.mark.parametrize(
    ("entries", "chosen"),
    [
        ([entry("amd64"), entry("arm64")], 1),
        ([entry("arm64", os="windows"), entry("arm64", "v8")], 1),
        ([entry("arm64", "v8"), entry("arm64")], 1),
        ([entry("arm64", "v9"), entry("arm64", "v8")], 0),
        ([entry("", os=""), entry("arm64")], 1),
        ([entry("amd64"), entry("", os="")], 1),
        ([entry("unknown", os="unknown"), entry("arm64", "v8")], 1),
    ],
)
def test_choice(entries: list[Descriptor], chosen: int) -> None:
    assert Index(tuple(entries)).choose("arm64") is entries[chosen]


@pytest.mark.parametrize(("kind", "words"), [(DOCKER_LIST, "manifest list"), (None, "image index")])
def test_nothing_to_choose(kind: str | None, words: str) -> None:
    platform = {"digest": A, "size": 1, "platform": {"architecture": "amd64", "os": "linux"}}
    content = json.dumps({"mediaType": kind, "manifests": [platform]}).encode()
    index = document(content)
    assert isinstance(index, Index)
    text = f'choosing image instance: no image found in {words} for architecture "absent", variant "", OS "linux"'
    with pytest.raises(Permanent, match=text) as found:
        index.choose("absent")
    assert "amd64" in found.value.hint


@pytest.mark.parametrize(
    ("kind", "name", "target", "path"),
    [
        ("symlink", "disk/a", "b", "disk/b"),
        ("symlink", "./disk/a", "./b", "disk/b"),
        ("symlink", "disk/a", "../b/./c", "b/c"),
        ("symlink", "disk/a", "/b", "b"),
        ("symlink", "disk/a", "../..", None),
        ("symlink", "disk/a", "/../b", None),
        ("link", "disk/a", "disk/b", "disk/b"),
        ("link", "disk/a", "/b", "b"),
        ("link", "disk/a", "../b", None),
    ],
)
def test_links(kind: str, name: str, target: str, path: str | None) -> None:
    link = Member(name, kind, 0, 0, target)  # type: ignore[arg-type]
    if path is None:
        with pytest.raises(Permanent, match="content filepath is tainted"):
            leads_to(link)
    else:
        assert leads_to(link) == path_of(path)


class Content:
    """Bytes by range, and which of them were asked for."""

    name = "layer"
    ranged = True

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.size_bytes = len(content)
        self.asked: list[Range] = []

    def peek(self, length: int) -> bytes:
        return self.content[:length]

    def stream(self):
        raise AssertionError

    def read_ranges(self, ranges):
        for offset, length in ranges:
            self.asked.append((offset, length))
            yield offset, memoryview(self.content)[offset : offset + length]

    def close(self) -> None: ...


def streamed(content: bytes, step: int):
    return StreamTape(memoryview(content)[place : place + step] for place in range(0, len(content), step))


names = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=300).filter(
    lambda name: not name.endswith("/")
)
some = st.one_of(
    st.builds(file, names, st.binary(max_size=2000)),
    st.builds(symlink, names, names),
    st.builds(hard_link, names, names),
)


@settings(deadline=None, max_examples=30)
@given(st.lists(some, max_size=6), st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]), st.integers(1, 3000))
def test_archives_read_as_the_standard_library_reads_them(wanted, format, step) -> None:
    content = tar(*wanted, format=format)
    for tape in (streamed(content, step), RangeTape(Content(content))):
        found = [
            (each.name, each.kind, content[each.offset : each.offset + each.size_bytes], each.link)
            for each in members(tape)
        ]
        kinds = {tarfile.REGTYPE: "file", tarfile.SYMTYPE: "symlink", tarfile.LNKTYPE: "link"}
        assert found == [(info.name, kinds[info.type], body, info.linkname) for info, body in wanted]


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_a_damaged_archive_is_refused_or_read(data) -> None:
    """In one of the two ways, and never otherwise."""
    content = bytearray(tar(directory("disk"), file("disk/ü" * 60, b"x" * 700), symlink("a", "b" * 200)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    for tape in (streamed(bytes(content[:cut]), 700), RangeTape(Content(bytes(content[:cut])))):
        with suppress(Permanent):
            assert len(list(members(tape))) <= 3


def test_bodies_are_leapt_over() -> None:
    big = file("big", bytes(9 << 20))
    content = Content(tar(big, big, big, file("disk/a", b"x")))
    assert [member.name for member in members(RangeTape(content))] == ["big", "big", "big", "disk/a"]
    assert len(content.asked) == 4
    assert sum(length for _, length in content.asked) < 1 << 20


def test_small_files_are_read_in_few_requests() -> None:
    content = Content(tar(*[file(f"{number}", bytes(900)) for number in range(2500)]))
    assert sum(1 for _ in members(RangeTape(content))) == 2500
    assert len(content.asked) < 8
