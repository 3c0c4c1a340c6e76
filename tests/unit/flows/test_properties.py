"""What holds for every flow and anything that it may see, likely or not: it decides, and having decided it rests.

What is seen here is put together by chance: a claim in any phase with any of the annotations that count, a hidden
claim, a volume, a pod in any state, refusals, classes, gates. The simulation shows how flows get on; this, that none of
them fails or writes in circles on a picture that nobody thought of.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdi_operator.api import annotations as names
from cdi_operator.flows import datavolume, importer, populate
from cdi_operator.flows.actions import Create, Ensure, Plan
from cdi_operator.flows.transfer import Reading, Transfer
from cdi_operator.flows.view import Refusal
from tests.unit.flows.given import (
    CLAIM_UID,
    HONOURS_WAIT,
    KEY,
    NAME,
    NO_GATES,
    NS,
    POD_UID,
    PRIME,
    PRIME_KEY,
    PRIME_UID,
    PV,
    SETTINGS,
    SOURCE_NAME,
    UNSCHEDULABLE,
    VOLUME_UID,
    by_hand,
    claim_spec,
    condition,
    config,
    data_volume,
    default_class,
    deleting,
    driver,
    ended,
    event,
    having,
    import_source,
    legacy,
    listing,
    noted,
    obj,
    pod,
    prime,
    profile,
    report,
    running,
    target,
    terminated,
    volume,
    waiting,
)
from tests.unit.world import NOW, World, settle

RUNS = int(os.environ.get("SIMULATION_RUNS", 0))
EXAMPLES = settings(max_examples=RUNS or 60, derandomize=not RUNS, deadline=None, database=None)
ADOPTS = config("HonorWaitForFirstConsumer", "DataVolumeClaimAdoption")
PROXIED = config(importProxy={"HTTPProxy": "http://proxy", "trustedCAProxy": "proxy-ca"})
BOOLEAN = ("true", "false", "", "maybe")
NOTES = {
    names.POD_PHASE: ("Pending", "Running", "Succeeded", "Failed", "Unknown", ""),
    names.POD_RESTARTS: ("0", "3", "-1", "many", ""),
    names.POD_READY: BOOLEAN,
    names.POD_RETAIN: BOOLEAN,
    names.POD_SCHEDULABLE: BOOLEAN,
    names.RUNNING: BOOLEAN,
    names.RUNNING_REASON: ("Error", "Completed", "Pod is running"),
    names.RUNNING_MESSAGE: ("no route", "Import Complete", ""),
    names.BOUND: BOOLEAN,
    names.BOUND_REASON: ("Pending", "ErrExceededQuota", ""),
    names.BOUND_MESSAGE: ("exceeded quota: q", f"[{PRIME}] : why", ""),
    names.FATAL_ERROR: BOOLEAN,
    names.IMPORT_POD_NAME: ("importer-x", ""),
    names.PVC_PRIME: (PRIME, ""),
    names.TRANSFER: (
        "{",
        "[]",
        '{"sourceBytes":-1,"message":7,"stageSeconds":{"a":1}}',
        '{"stage":"done","sourceBytes":100}',
        '{"error":"Transient","message":"no route","sourceBytes":50,"totalBytes":100}',
        '{"stage":"queued","queuePosition":4,"asOf":"2025-06-01T11:59:58Z","message":"waiting"}',
    ),
    names.POPULATOR_PROGRESS: ("45.00%", "100.0%", "N/A", ""),
    names.SELECTED_NODE: ("node-1",),
    names.IMMEDIATE_BIND: ("", "false"),
    names.USE_POPULATOR: ("true", "false", ""),
    names.VDDK_INIT_IMAGE_URL: ("vddk:8",),
    names.VDDK_EXTRA_ARGS: ("more", ""),
    names.SOURCE: ("vddk", "vddk", "http", "none", "s3", "registry", "vddk", "odd", ""),
    names.ENDPOINT: ("http://x", "docker://[x", ""),
    names.REGISTRY_IMPORT_METHOD: ("pod", "node", ""),
    names.REGISTRY_IMAGE_STREAM: BOOLEAN,
    names.SECRET_NAME: ("login", ""),
    names.CERT_CONFIG_MAP: ("ca", ""),
    names.CONTENT_TYPE: ("kubevirt", "archive", ""),
    names.CHECKPOINT_PREVIOUS: ("", "zero"),
    names.CHECKPOINT_CURRENT: ("one", "two", ""),
    names.CHECKPOINT_FINAL: BOOLEAN,
    names.CHECKPOINT_DONE: ("true",),
    names.CHECKPOINT_POD_ID: (POD_UID,),
    f"{names.CHECKPOINT_COPIED}.one": (POD_UID, "uid-other"),
    f"{names.CHECKPOINT_COPIED}.two": (POD_UID, "uid-other"),
    names.PREALLOCATION_REQUESTED: BOOLEAN,
    f"{names.EXTRA_HEADERS}.x": ("not numbered",),
    names.CREATED_FOR_DATA_VOLUME: (VOLUME_UID, "uid-other", ""),
    names.POPULATED_FOR: (NAME, "other", ""),
    names.PRE_POPULATED: (NAME, ""),
    names.ALLOW_CLAIM_ADOPTION: BOOLEAN,
    names.CHECK_STATIC_VOLUME: ("", "true"),
    names.PERSISTENT_VOLUME_LIST: (f'["{PV}"]', '["other"]', "[]", "spoilt", "{}"),
    names.EXTERNAL_POPULATION: ("true",),
    names.MIGRATED_TO: ("csi.example.com", "other"),
}
MOVING = Transfer("transfer", "raw", source_bytes=45, total_bytes=100, speed_bytes_per_second=9, eta_seconds=6)
CONTAINERS = (
    None,
    running(),
    running(2, before=ended(1, "no route")),
    waiting("ContainerCreating"),
    waiting("ImagePullBackOff"),
    waiting("CrashLoopBackOff", "", 2, ended(137, "", "OOMKilled")),
    terminated(message=report()),
    terminated(message=report("checksum validation failed", error="fatal")),
    terminated(message="no report"),
    terminated(1, "{}"),
)
POD_PHASES = ("Pending", "Running", "Succeeded", "Failed", "Unknown")
CLAIM_PHASES = ("Pending", "Bound", "Lost", "Odd")
PHASES = ("", "Pending", "PVCBound", "PendingPopulation", "ImportInProgress", "Succeeded", "Failed", "Odd")
STATUS = {
    "progress": ("N/A", "45.00%", "100.0%"),
    "restartCount": (0, 3),
    "claimName": (NAME, "other"),
    "transfer": ({"message": "transferring", "speed": "1 B/s"}, {"stage": "done"}),
    "conditions": ([], [{"type": "Bound", "status": "True"}], [condition("Running", "False", "Error", "no")]),
}
SOURCES: Any = (
    {"http": {"url": "http://x"}},
    {"blank": {}},
    {"s3": {"url": "s3://x"}},
    {"registry": {"url": "docker://x"}},
    {"upload": {}},
    {},
    None,
)
SIZES: Any = ({}, {"resources": {"requests": {"storage": "1Gi"}}}, {"resources": {"requests": {"storage": "1.5.5"}}})
REFERENCES: Any = (
    {"dataSourceRef": {"apiGroup": "example.com", "kind": "Backup", "name": "b"}},
    {"dataSource": {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"}},
    {"dataSourceRef": {"apiGroup": "cdi.kubevirt.io", "kind": "VolumeImportSource", "name": SOURCE_NAME}},
)
SPECS: Any = (
    {},
    *({"storage": size} for size in SIZES),
    {"contentType": "archive"},
    *({"pvc": claim_spec(**reference)} for reference in REFERENCES),
    *({"storage": {**SIZES[1], **reference}} for reference in REFERENCES),
)
STORAGES = (
    (),
    (default_class("csi"),),
    (default_class("csi"), driver(), profile("csi", ("ReadWriteOnce", "Filesystem"))),
    (default_class("csi", waits=True), driver()),
    (default_class("csi", waits=True), profile("csi", ("ReadWriteMany", "Block"))),
    (default_class("csi", provisioner="kubernetes.io/no-provisioner"),),
)
EVENTS = ((), (event("Provisioning", "on it"),), (event("Failed", "no", CLAIM_UID, "Warning"), event("A", "b")))
OWNERS = ((PRIME, PRIME_UID), (PRIME, PRIME_UID), (NAME, CLAIM_UID), (PRIME, "uid-other"))
LISTS: Any = ({}, listing("one"), listing("one", "two"), listing("one", "one", "two", final=True))
STAGE_NAMES = ("", "", "-checkpoint-one", "-checkpoint-two")
MEANT_FOR: Any = ({}, {"targetClaim": NAME}, {"targetClaim": NAME}, {"targetClaim": "other"})
REFUSABLE = (
    ("PersistentVolumeClaim", NS, NAME),
    ("PersistentVolumeClaim", NS, PRIME),
    ("VolumeImportSource", NS, SOURCE_NAME),
    ("Pod", NS, f"importer-{PRIME}"),
    ("Pod", NS, f"importer-{NAME}"),
    ("Pod", NS, f"importer-{PRIME}-checkpoint-one"),
    ("Pod", NS, f"importer-{NAME}-checkpoint-two"),
    ("ConfigMap", NS, f"import-proxy-cm-{PRIME}"),
)


class Chance:
    """Puts pictures together."""

    def __init__(self, random: Random) -> None:
        self.pick = random.choice
        self.random = random

    def one_in(self, number: int) -> bool:
        return self.random.randrange(number) == 0

    def some(self, choices: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        return {key: self.pick(values) for key, values in choices.items() if self.one_in(3)}

    def spoilt(self, thing: Any, finalizer: str = "kubernetes.io/pvc-protection") -> Any:
        """Now and then on its way out, or nobody's."""
        thing = deleting(thing, finalizer) if self.one_in(4) else thing
        return having(thing, metadata={"ownerReferences": None}) if self.one_in(8) else thing

    def data_volume(self) -> Any:
        spec = {**self.pick(SPECS), **self.pick(LISTS)}
        made = data_volume(self.pick(SOURCES), self.pick(PHASES), self.some(STATUS), **spec)
        return self.spoilt(noted(made, self.some(NOTES)), "foregroundDeletion")

    def claim(self) -> Any:
        return self.spoilt(self.pick((target, legacy, by_hand))(self.pick(CLAIM_PHASES), self.some(NOTES)))

    def prime(self) -> Any:
        return self.spoilt(prime(self.pick(CLAIM_PHASES), self.some(NOTES)))

    def pod(self) -> Any:
        made = pod(self.pick(POD_PHASES), self.pick(CONTAINERS), *self.pick(OWNERS))
        made = having(made, metadata={"name": made["metadata"]["name"] + self.pick(STAGE_NAMES)})
        status = self.pick(({}, {}, UNSCHEDULABLE, {"reason": "Evicted"}))
        return self.spoilt(having(made, status=status), "grace-period")

    def volume(self) -> Any:
        made = volume(claim=self.pick(("", NAME, PRIME)), claim_uid=self.pick((CLAIM_UID, PRIME_UID, "uid-other")))
        return having(made, status={"phase": self.pick(("Bound", "Available", "Released"))})

    def import_source(self) -> Any:
        source: Any = self.pick(({"http": {"url": "http://x"}}, {"blank": {}}, {}, None))
        return import_source(source, **self.pick(LISTS), **self.pick(MEANT_FOR))

    def gates(self) -> Any:
        return self.pick((HONOURS_WAIT, NO_GATES, ADOPTS, PROXIED))

    def proxy_ca(self) -> Any:
        return obj("ConfigMap", "proxy-ca", namespace="cdi", data=self.pick(({"ca.crt": "PEM"}, {}, None)))

    def world(self) -> World:
        made = (self.data_volume, self.claim, self.prime, self.pod, self.volume, self.import_source, self.gates)
        found = [make() for make in (*made, self.proxy_ca) if not self.one_in(5)]
        world = World(*self.pick(STORAGES), *self.pick(EVENTS), *found)
        world.readings = self.pick(({}, {POD_UID: Reading(45.0, MOVING)}, {POD_UID: Reading(100.0)}))
        for place in REFUSABLE:
            if self.one_in(5) and world.get(place[0], place[2], NS) is None:
                message = self.pick(("exceeded quota: q", "denied"))
                world.refusals[place] = Refusal(None, "Forbidden", message, NOW)  # type: ignore[arg-type]
        return world


worlds = st.randoms(use_true_random=True).map(lambda random: Chance(random).world())


def look(flow: Any, world: World, key: tuple[str, str]) -> Plan:
    """What it asks for and gets: a refused object is left out, and where somebody else has the name the plan ends."""
    state = flow.observe(world, key)
    wanted = flow.plan(state, SETTINGS, NOW) if state else ()
    asked = itertools.takewhile(
        lambda action: not isinstance(action, Create) or world.get(*_place(action)) is None, wanted
    )
    return tuple(action for action in asked if not isinstance(action, Create | Ensure) or _gets(action, world))


def _gets(action: Create | Ensure, world: World) -> bool:
    """What is there already needs not be applied again."""
    kept = isinstance(action, Ensure) and world.get(*_place(action)) is not None
    return not kept and world.refusal(*_place(action)) is None


def _place(action: Create | Ensure) -> tuple[str, str, str]:
    return action.object["kind"], action.object["metadata"]["name"], NS


@pytest.mark.parametrize(
    ("flow", "key"),
    [(datavolume, KEY), (populate, KEY), (importer, KEY), (importer, PRIME_KEY)],
    ids=["datavolume", "populate", "importer, legacy", "importer, populator"],
)
@EXAMPLES
@given(world=worlds)
def test_decides_and_rests(flow: Any, key: tuple[str, str], world: World) -> None:
    """At most: note the stage, read its settings, make what is missing, tell what came of it, and that is all."""
    settle(world, lambda world: look(flow, world, key), rounds=5)


@EXAMPLES
@given(world=worlds)
def test_all_flows_together_rest_too(world: World) -> None:
    """None undoes what another does. Nobody else moves: the flows come to wait for the cluster."""

    def step(world: World) -> Plan:
        looks = ((datavolume, KEY), (populate, KEY), (importer, KEY), (importer, PRIME_KEY))
        return next((plan for flow, key in looks if (plan := look(flow, world, key))), ())

    settle(world, step, rounds=20)
