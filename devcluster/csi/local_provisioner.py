"""A plain dynamic provisioner without CSI, as many clusters still have: what the legacy flow of the operator meets.

Level-triggered: a change of a claim or volume of ours only wakes the loop, which then reads everything, plans
(local_plan.py) and carries out. What fails is tried again, and told once in an event of the claim.
"""

import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubernetes import client, config
from urllib3.exceptions import HTTPError

from devcluster.csi import local_objects as objects
from devcluster.csi.errors import CsiError
from devcluster.csi.local_plan import Action, Claim, Provision, Refuse, Remove, Seen, orphans, plan
from devcluster.csi.local_volumes import Shelf
from devcluster.csi.pool import require
from devcluster.csi.requests import SizeRange
from devcluster.errors import DevclusterError

log = logging.getLogger(__name__)

RETRY_S = 5.0
LONGEST_RETRY_S = 60.0
RECONNECT_S = 1.0


def provision(kubeconfig: Path, data: Path, provisioner: str) -> None:
    """Provision for the StorageClasses of `provisioner` until SIGTERM or SIGINT."""
    require({"mkfs.ext4": "e2fsprogs", "mount": "mount"})
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        api = config.new_client_from_config(config_file=str(kubeconfig))
    except config.ConfigException as error:
        raise DevclusterError(f"{kubeconfig} does not lead to a cluster: {error}") from error
    _Provisioner(client.CoreV1Api(api), client.StorageV1Api(api), Shelf.open(data), provisioner).run()


class _Provisioner:
    def __init__(self, core: client.CoreV1Api, storage: client.StorageV1Api, shelf: Shelf, name: str) -> None:
        self._core = core
        self._storage = storage
        self._shelf = shelf
        self._name = name
        self._wake = threading.Event()
        self._told: dict[str, str] = {}

    def run(self) -> None:
        for listing in (
            self._core.list_persistent_volume_claim_for_all_namespaces,
            self._core.list_persistent_volume,
            self._storage.list_storage_class,
        ):
            threading.Thread(target=self._follow, args=[listing], daemon=True).start()
        pause_s = RETRY_S
        while True:
            try:
                seen = self._observe()
                self._told = {claim.uid: self._told[claim.uid] for claim in seen.claims if claim.uid in self._told}
                for orphan in orphans(seen, self._shelf.volumes()):
                    self._shelf.remove(orphan)
                outcomes = [self._carry_out(action, seen.node) for action in plan(seen)]
                done = all(outcomes)
            except (client.ApiException, HTTPError, DevclusterError) as error:
                log.warning("cannot read the cluster: %s", _sentence(error))
                done = False
            self._wake.wait(None if done else pause_s)
            self._wake.clear()
            pause_s = RETRY_S if done else min(2 * pause_s, LONGEST_RETRY_S)

    def _observe(self) -> Seen:
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        node = objects.node_that_booted(_read(self._core.list_node), boot_id)
        if node is None:
            raise DevclusterError("no node of the cluster says that it runs on this machine")
        claims = _read(self._core.list_persistent_volume_claim_for_all_namespaces)
        return Seen(
            provisioner=self._name,
            node=node,
            classes=tuple(map(objects.class_of, _read(self._storage.list_storage_class))),
            claims=tuple(map(objects.claim_of, claims)),
            volumes=tuple(map(objects.volume_of, _read(self._core.list_persistent_volume))),
        )

    def _follow(self, listing: Callable[..., Any]) -> None:
        while True:
            try:
                # Without a resource version a watch starts with everything that is there: nothing falls in between.
                for line in listing(watch=True, _preload_content=False):
                    if self._concerns_us(line):
                        self._wake.set()
            except (client.ApiException, HTTPError) as error:
                log.warning("the watch broke, starting it again: %s", _sentence(error))
                time.sleep(RECONNECT_S)

    def _concerns_us(self, line: bytes) -> bool:
        # A claim or volume of ours carries our name in an annotation, a class in its provisioner.
        return self._name.encode() in line

    def _carry_out(self, action: Action, node: str) -> bool:
        """Whether it is done; if not, it will be planned again."""
        try:
            match action:
                case Provision():
                    self._provision(action, node)
                case Remove(volume):
                    self._remove(volume)
                case Refuse(claim, text):
                    self._tell(claim, "Warning", "ProvisioningFailed", text)
        except (client.ApiException, HTTPError, DevclusterError, CsiError, OSError) as error:
            log.warning("%s failed: %s", type(action).__name__, _sentence(error))
            if isinstance(action, Provision):
                text = (
                    f'failed to provision volume with StorageClass "{action.claim.storage_class}": {_sentence(error)}'
                )
                self._tell(action.claim, "Warning", "ProvisioningFailed", text)
            return False
        return True

    def _provision(self, action: Provision, node: str) -> None:
        claim = action.claim
        path, size_bytes = self._shelf.make(claim.future_volume, SizeRange(claim.size_bytes), block=claim.block)
        body = objects.volume_body(action, self._name, node, str(path), size_bytes)
        try:
            self._core.create_persistent_volume(client.V1PersistentVolume.model_validate(body))
        except client.ApiException as error:
            if error.status != 409:
                raise
        self._tell(claim, "Normal", "ProvisioningSucceeded", f"Successfully provisioned volume {claim.future_volume}")

    def _remove(self, volume: str) -> None:
        self._shelf.remove(volume)
        try:
            self._core.delete_persistent_volume(volume)
        except client.ApiException as error:
            if error.status != 404:
                raise
        log.info("removed %s", volume)

    def _tell(self, claim: Claim, kind: str, reason: str, text: str) -> None:
        if self._told.get(claim.uid) == text:
            return
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = objects.event_body(claim, self._name, kind, reason, text, now)
        try:
            self._core.create_namespaced_event(claim.namespace, client.CoreV1Event.model_validate(body))
        except (client.ApiException, HTTPError) as error:
            log.warning("cannot write an event for %s/%s: %s", claim.namespace, claim.name, _sentence(error))
        self._told[claim.uid] = text
        log.info("%s %s/%s: %s", reason, claim.namespace, claim.name, text)


def _sentence(error: Exception) -> str:
    # As text, an ApiException is all headers and the whole body.
    return f"{error.status} {error.reason}" if isinstance(error, client.ApiException) else str(error)


def _read(listing: Callable[..., Any]) -> list[objects.Json]:
    items: list[objects.Json] = json.loads(listing(_preload_content=False).data)["items"]
    return items
