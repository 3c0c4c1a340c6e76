"""Things die while twenty DataVolumes import from every source; all succeed, every byte is right, nothing is left over.

The moments are random but the same in every run: they come from a seed. What dies is on this machine, so these tests
need the embedded cluster.
"""

from __future__ import annotations

import itertools
import random
import signal
import time
from collections.abc import Iterator

import pytest

from demo.install import CONTROLLER
from demo.server import WebServer
from devcluster.kubectl import Kubectl, Object
from tests.e2e import disks, manifests, namespaces, node
from tests.e2e.fleet import Fleet, World, imports
from tests.e2e.installation import LEASE, TAKEOVER_S, Installation, holder
from tests.e2e.peers import Peers
from tests.e2e.vmware import VMware
from tests.e2e.watch import Watch
from tests.transfer.ovirt import Ovirt

pytestmark = pytest.mark.faults

KILLS = 12
IMPORTERS = "--selector=cdi.kubevirt.io=importer"


@pytest.fixture(scope="module")
def world(server: WebServer, there: Peers, vcenter: VMware, ovirt: Ovirt) -> World:
    return World(server, there, vcenter, ovirt)


@pytest.fixture
def fleet(namespace: Kubectl, world: World) -> Iterator[Fleet]:
    plan = imports(world, prefix=f"disk-{namespace.namespace[-6:]}")
    with Watch(namespace, "datavolumes") as volumes:
        namespace.apply(*world.objects(), *(each.manifest(name) for name, each in plan.items()))
        yield Fleet(namespace, volumes, plan)


def test_controllers_and_importers_are_killed(fleet: Fleet, installation: Installation) -> None:
    chance = random.Random(3)
    killed = []
    for victim in itertools.islice(itertools.cycle((kill_importer, kill_leader, kill_importer, delete_leader)), KILLS):
        if fleet.volumes.within(chance.uniform(0.5, 3), fleet.done):
            break
        killed.append(victim(fleet, installation, chance))
    assert killed.count("importer") >= 2, killed
    assert killed.count("leader") >= 2, killed
    assert_all_is_well(fleet, installation)
    restarts = [fleet.volumes.now[name]["status"].get("restartCount", 0) for name in fleet.plan]
    assert sum(restarts) >= 1


def kill_importer(fleet: Fleet, installation: Installation, chance: random.Random) -> str:
    """SIGKILL of a worker's process on the node, as soon as there is one: without a leader nobody starts any.

    Each only once: a second time the kubelet would wait for 10 s and more before it starts the container again.
    """
    deadline = time.monotonic() + TAKEOVER_S
    while time.monotonic() < deadline and not fleet.volumes.within(0.1, fleet.done):
        running = fleet.kubectl.items("pods", IMPORTERS, "--field-selector=status.phase=Running")
        spared = [pod for pod in running if not restarts(pod)]
        if spared and node.kill(chance.choice(spared)):
            return "importer"
    return "nobody"


def kill_leader(fleet: Fleet, installation: Installation, chance: random.Random) -> str:
    """SIGKILL of the leading controller's process on the node; the kubelet starts it again."""
    name = installation.leader()
    leaders = [pod for pod in installation.controllers() if pod["metadata"]["name"] == name]
    return "leader" if leaders and node.kill(leaders[0]) else "nobody"


def delete_leader(fleet: Fleet, installation: Installation, chance: random.Random) -> str:
    """The pod of the leading controller, away without a goodbye."""
    name = installation.leader()
    if not name:
        return "nobody"
    installation.own("delete", "pod", name, "--ignore-not-found", "--force", "--grace-period=0")
    return "leader"


def test_a_leader_that_hangs(here: None, installation: Installation, namespace: Kubectl, server: WebServer) -> None:
    """It cannot give its lease back, so that runs out; awake again, it leaves the work to the new leader."""
    pods = {pod["metadata"]["name"]: pod for pod in installation.controllers()}
    hung = pods[installation.leader()]
    name = hung["metadata"]["name"]
    with Watch(installation.own, "lease") as leases:
        leases.until(lambda now: LEASE in now, "the lease is there")
        try:
            assert node.kill(hung, signal.SIGSTOP)
            leases.until(lambda now: holder(now[LEASE]) not in ("", name), "another leads", TAKEOVER_S)
            namespace.apply(orphan(server))
        finally:
            node.kill(hung, signal.SIGCONT)
        namespace.wait("dv/orphan", "jsonpath={.status.phase}=Succeeded")
        assert holder(leases.now[LEASE]) != name
    # It ends, since it cannot know what it missed, and comes back as the one that waits.
    with Watch(installation.own, "pods") as seen:
        seen.until(lambda now: name not in now or restarts(now[name]) > restarts(hung), "it starts afresh", 30)
    installation.own("rollout", "status", CONTROLLER, "--timeout=60s")
    assert {event["reason"]: event.get("count", 1) for event in events_of(namespace, "orphan")}["ImportSucceeded"] == 1


def orphan(server: WebServer) -> Object:
    asked = manifests.claim_spec("80Mi", storage_class="csi", mode="Block", access_mode="ReadWriteOnce")
    return manifests.data_volume("orphan", source=manifests.http(server.url("small.qcow2")), storage=asked)


def restarts(pod: Object) -> int:
    return sum(status["restartCount"] for status in pod["status"].get("containerStatuses") or ())


def events_of(kubectl: Kubectl, name: str) -> list[Object]:
    about = f"--field-selector=involvedObject.kind=DataVolume,involvedObject.name={name}"
    return kubectl.items("events", about)


def test_the_cluster_itself_crashes(fleet: Fleet, installation: Installation) -> None:
    chance = random.Random(4)
    fleet.volumes.until(lambda now: fleet.importing(now) >= 3, "some imports are under way")
    for component in ("kube-apiserver", "kubelet", "kube-apiserver"):
        node.crash(component)
        fleet.volumes.within(chance.uniform(0.5, 3), fleet.done)
    assert_all_is_well(fleet, installation)


def test_deleted_at_random_moments(fleet: Fleet, installation: Installation) -> None:
    """A DataVolume may go at any moment of its life; what was made for it goes with it, down to the storage."""
    chance = random.Random(5)
    for name in chance.sample(sorted(fleet.plan), len(fleet.plan)):
        fleet.volumes.within(chance.uniform(0, 1.2), fleet.done)
        fleet.kubectl("delete", "datavolume", name, "--wait=false")
    namespaces.wait_for_none(fleet.kubectl, "datavolumes,pvc,pods,volumeimportsources", timeout_s=90)
    assert_storage_is_accounted_for(installation)
    namespaces.wait_for_no_volumes(installation.kubectl, fleet.kubectl.namespace)


def assert_all_is_well(fleet: Fleet, installation: Installation) -> None:
    fleet.volumes.until(fleet.done, "all succeed", 180)
    wanted = [disks.Expected(name, each.mode, each.content.size_bytes) for name, each in fleet.plan.items()]
    found = disks.read(fleet.kubectl, installation.python_image, wanted)
    wrong = [name for name, each in fleet.plan.items() if found[name].sha256 != each.content.sha256]
    assert wrong == [], [fleet.plan[name] for name in wrong]
    assert [name for name, disk in found.items() if disk.nonzero_after_image] == []
    # The last hidden claims are deleted a moment after the last success.
    for kind, *selector in (("pvc", namespaces.HIDDEN), ("pods", IMPORTERS), ("volumeimportsources",)):
        namespaces.wait_for_none(fleet.kubectl, kind, *selector, timeout_s=30)
    assert {claim["metadata"]["name"] for claim in fleet.kubectl.items("pvc")} == set(fleet.plan)
    bound = {claim["spec"]["volumeName"] for claim in fleet.kubectl.items("pvc")}
    assert set(namespaces.volumes_of(installation.kubectl, fleet.kubectl.namespace)) == {f"pv/{name}" for name in bound}
    assert {stored_as(installation.kubectl.get("pv", name)) for name in bound} <= node.stored_volumes()
    assert_storage_is_accounted_for(installation)


def assert_storage_is_accounted_for(installation: Installation) -> None:
    """For every volume of the drivers there is a PersistentVolume: storage that nobody knows of is lost to the user.

    One that was being made when its claim was deleted is known to the storage first, and to the cluster a moment later.
    """
    namespaces.until_empty(lambda: unaccounted(installation), "volumes of the storage that the cluster does not know")


def unaccounted(installation: Installation) -> set[str]:
    # What is being deleted goes from the storage first, and from this list, which is older, later.
    known = {stored_as(volume) for volume in installation.kubectl.items("pv")}
    return node.stored_volumes() - known


def stored_as(volume: Object) -> str:
    """What the storage calls a PersistentVolume."""
    return str(volume["spec"].get("csi", {}).get("volumeHandle") or volume["metadata"]["name"])
