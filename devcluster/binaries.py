"""The cluster's programs, built once from the pinned Go modules and kept outside the checkout.

No Kubernetes server comes from a package manager, but all of it builds from the Go module proxy. The cache key is a
digest of everything that decides what comes out, so a changed pin builds anew and a second checkout builds nothing.
"""

import functools
import hashlib
import shutil
import subprocess
from collections import deque
from pathlib import Path
from tempfile import TemporaryFile

from devcluster import pause, toolchain
from devcluster.errors import DevclusterError
from devcluster.layout import CACHE, PAUSE_IMAGE, SOURCE
from devcluster.progress import Bar
from devcluster.shell import run

BUILD = SOURCE / "build"
MODULES = {BUILD: ("tool", "./pause"), BUILD / "csi-sanity": ("tool",)}
PEERS = {"versitygw": "tool", "vcsim": "./vcsim"}
"""Servers that only tests need, each a module of its own: they are built when a test asks for them."""
BENCHES = {"kwok": "tool"}
"""The same for a bench."""
KUBERNETES_VERSION = "v1.36.3"
VERSION_PACKAGE = "k8s.io/component-base/version"
LINK_FLAGS = " ".join(
    [
        "-s -w",
        f"-X {VERSION_PACKAGE}.gitVersion={KUBERNETES_VERSION}",
        *(f"-X {VERSION_PACKAGE}.{name}={number}" for name, number in (("gitMajor", 1), ("gitMinor", 36))),
    ]
)
SNAPSHOT_CLIENT = "github.com/kubernetes-csi/external-snapshotter/client/v8"
SNAPSHOT_KINDS = ("volumesnapshotclasses", "volumesnapshotcontents", "volumesnapshots")


@functools.cache
def directory() -> Path:
    """Where the programs of these pins are, or would be."""
    digest = hashlib.sha256(LINK_FLAGS.encode())
    for module in MODULES:
        for path in (module / "go.mod", module / "go.sum"):
            digest.update(path.read_bytes())
    digest.update((BUILD / "pause" / "main.go").read_bytes())
    return CACHE / digest.hexdigest()[:16]


def program(name: str) -> str | None:
    """A program to use on whatever cluster: the user's own, or the one that was built for the embedded cluster."""
    built = directory() / "bin" / name
    return shutil.which(name) or (str(built) if built.exists() else None)


def require_program(name: str) -> str:
    """The same, where nothing works without it."""
    found = program(name)
    if not found:
        raise DevclusterError(f"{name} is not there: install it and try again")
    return found


def ensure() -> Path:
    """Build what is not built yet. The result has bin/ (programs), crds/ (of snapshots) and pause.tar (an image)."""
    home = directory()
    if home.exists():
        return home
    go = toolchain.ensure(BUILD / "go.mod")
    partial = home.with_suffix(".partial")
    (partial / "bin").mkdir(parents=True, exist_ok=True)
    (partial / "crds").mkdir(exist_ok=True)
    for module, targets in MODULES.items():
        build(go, module, targets, partial / "bin")
    (partial / "bin" / "server").rename(partial / "bin" / "etcd")
    pause.write_archive(partial / "bin" / "pause", PAUSE_IMAGE, partial / "pause.tar")
    client = run([go, "list", "-m", "-f", "{{.Dir}}", SNAPSHOT_CLIENT], env=toolchain.environment(), cwd=BUILD).strip()
    for kind in SNAPSHOT_KINDS:
        shutil.copy(Path(client, "config", "crd", f"snapshot.storage.k8s.io_{kind}.yaml"), partial / "crds")
    partial.rename(home)
    return home


def peer(name: str) -> Path:
    """One of PEERS or BENCHES, built now if it is not yet."""
    module = BUILD / name
    sources = [module / "go.mod", module / "go.sum", *sorted(module.glob("*/*.go"))]
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    home = CACHE / f"{name}-{digest}"
    if not home.exists():
        partial = home.with_suffix(".partial")
        partial.mkdir(parents=True, exist_ok=True)
        build(toolchain.ensure(module / "go.mod"), module, ({**PEERS, **BENCHES}[name],), partial)
        partial.rename(home)
    return home / name


def build(go: Path, module: Path, targets: tuple[str, ...], output: Path) -> None:
    """Download, compile and link one module's programs into `output`, showing how far it is."""
    zips = sum(1 for line in (module / "go.sum").read_text().splitlines() if "/go.mod h1:" not in line)
    list_packages = [str(go), "list", "-deps", *targets]
    packages = _follow(list_packages, module, Bar("downloading Go modules", zips), counted="go: downloading")
    flags = ["-v", "-trimpath", "-ldflags", LINK_FLAGS, "-o", f"{output}/", *targets]
    label = f"building Kubernetes {KUBERNETES_VERSION}" if module == BUILD else f"building {module.name}"
    _follow([str(go), "build", *flags], module, Bar(label, len(packages)), counted="")


def _follow(argv: list[str], module: Path, bar: Bar, counted: str) -> list[str]:
    """Run Go; move `bar` by one for each line of its error output that starts with `counted`; return its output."""
    with TemporaryFile("w+") as output:
        with subprocess.Popen(
            argv, cwd=module, env=toolchain.environment(), stdout=output, stderr=subprocess.PIPE, text=True
        ) as child:
            assert child.stderr
            done, last = 0, deque[str](maxlen=15)
            for line in child.stderr:
                last.append(line.rstrip())
                done += line.startswith(counted)
                bar.show(done, line.strip())
        output.seek(0)
        printed = output.read().splitlines()
    if child.returncode != 0:
        raise DevclusterError("\n".join([f"`{' '.join(argv[:3])}` failed in {module}:", *last]))
    bar.finish()
    return printed
