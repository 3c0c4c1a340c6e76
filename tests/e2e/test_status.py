"""A status that explains: how far, how fast, until when, and why not (docs/status.md)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from cdi_operator.storage.names import importer_pod_name, prime_name
from demo.server import WebServer
from devcluster.kubectl import Kubectl, Object
from tests.e2e import manifests, webserver
from tests.e2e.sources import Image
from tests.e2e.watch import Watch, phase

TRANSFER = "cdi.kubevirt.io/storage.transfer"
FILES = {"mode": "Filesystem", "access_mode": "ReadWriteOnce"}
IMAGE = "medium.raw"
NOT_THERE = "There is no such file on the server: check the URL."
STAGES = {"connect", "inspect", "transfer", "fetch", "write", "sync"}


def volume(name: str, url: str, storage_class: str = "csi") -> Object:
    """Large enough for a journal beside the disk (docs/resume.md)."""
    asked = manifests.claim_spec("400Mi", storage_class=storage_class, **FILES)
    return manifests.data_volume(name, source=manifests.http(url), storage=asked)


def transfer_of(obj: Object) -> dict[str, Any]:
    return dict((obj.get("status") or {}).get("transfer") or {})


def failing(obj: Object) -> Object | None:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each["type"] == "Failing"), None)


def assert_never_falls(values: list[float]) -> None:
    assert values == sorted(values)


@pytest.mark.parametrize("storage_class", ["csi", "local"])
def test_how_far_how_fast_until_when(
    storage_class: str, namespace: Kubectl, server: WebServer, images: Mapping[str, Image]
) -> None:
    size_bytes = images[IMAGE].path.stat().st_size
    with Watch(namespace, "datavolumes") as volumes:
        namespace.apply(volume("crawl", server.url(IMAGE, webserver.CRAWLING), storage_class))
        volumes.until(lambda now: moves(now, "crawl"), "it moves", 90)
        wide = namespace("get", "datavolumes", "--output=wide")
        volumes.until(lambda now: phase(now, "crawl") == "Succeeded", "it is done", 180)
        history = volumes.history("crawl")
    assert re.search(r"SPEED +ETA +MESSAGE", wide)
    assert re.search(r"\d+\.\d [kM]B/s +\d+m?\d*s +transferring", wide), wide
    told = [transfer_of(obj) for obj in history]
    moving = [each for each in told if each.get("speedBytesPerSecond") and each["stage"] == "transfer"]
    assert len(moving) >= 3
    for each in moving:
        assert (each["format"], each["totalBytes"], each["virtualSizeBytes"]) == ("raw", size_bytes, size_bytes)
    assert_never_falls([each.get("sourceBytes", 0) for each in told])
    assert_never_falls([percent(obj) for obj in history if percent(obj) is not None])
    began, ended = (datetime.fromisoformat(written(obj)) for obj in (history[0], history[-1]))
    assert len(moving) <= (ended - began).total_seconds() / 2 + 2, "no more than one write in two seconds"
    end = told[-1]
    assert (end["stage"], end["sourceBytes"], end["totalBytes"]) == ("done", size_bytes, size_bytes)
    assert end["averageSpeedBytesPerSecond"] > 0
    assert end["stageSeconds"].keys() >= STAGES
    assert not {"speed", "eta", "message", "error"} & end.keys()
    assert history[-1]["status"]["progress"] == "100.0%"
    claim = namespace.get("pvc", "crawl")
    assert json.loads(claim["metadata"]["annotations"][TRANSFER])["stage"] == "done"


def moves(now: Mapping[str, Object], name: str) -> bool:
    return name in now and bool(transfer_of(now[name]).get("eta"))


def percent(obj: Object) -> float:
    text = str((obj.get("status") or {}).get("progress") or "")
    return float(text.rstrip("%")) if text.endswith("%") else 0.0


def written(obj: Object) -> str:
    """When the status was written last."""
    entries = obj["metadata"].get("managedFields") or ({"time": obj["metadata"]["creationTimestamp"]},)
    return str(max(entry["time"] for entry in entries))


def test_a_worker_that_is_lost_takes_nothing_back(namespace: Kubectl, server: WebServer) -> None:
    """The next one goes on where it was, and says from where."""
    with Watch(namespace, "datavolumes") as volumes:
        namespace.apply(volume("lost", server.url(IMAGE, webserver.CRAWLING)))
        namespace.wait("pvc/lost", "create")
        worker = importer_pod_name(prime_name(namespace.get("pvc", "lost")["metadata"]["uid"]))
        # More than what is written down at a time, and early: what is told is some seconds old.
        far = 16 << 20
        volumes.until(
            lambda now: "lost" in now and transfer_of(now["lost"]).get("sourceBytes", 0) > far, "a part is there", 120
        )
        namespace("delete", "pod", worker, "--wait=false")
        volumes.until(lambda now: phase(now, "lost") == "Succeeded", "it is done", 180)
        history = volumes.history("lost")
    assert_never_falls([transfer_of(obj).get("sourceBytes", 0) for obj in history])
    assert_never_falls([percent(obj) for obj in history])
    assert transfer_of(history[-1])["resumedBytes"] > 0


def test_a_claim_of_the_users_own_tells_too(namespace: Kubectl, server: WebServer) -> None:
    """The legacy contract: a claim with annotations, no DataVolume."""
    notes = {
        "cdi.kubevirt.io/storage.import.source": "http",
        "cdi.kubevirt.io/storage.import.endpoint": server.url(IMAGE, webserver.SLOW),
    }
    asked = manifests.claim_spec("80Mi", storage_class="local", **FILES)

    def told(obj: Object) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(obj["metadata"].get("annotations", {}).get(TRANSFER, "{}"))
        return found

    with Watch(namespace, "persistentvolumeclaims") as claims:
        namespace.apply(manifests.claim("own", asked, notes))
        claims.until(lambda now: "own" in now and told(now["own"]).get("stage") == "done", "it is done", 120)
        history = [told(obj) for obj in claims.history("own")]
    assert any(each.get("stage") == "transfer" for each in history)
    assert_never_falls([each.get("sourceBytes", 0) for each in history])


def test_a_permanent_error_is_told_as_one(namespace: Kubectl, server: WebServer, images: Mapping[str, Image]) -> None:
    """At once, with what to do, for as long as it is so: also while the worker is started again."""
    server.delete("later.qcow2")
    with Watch(namespace, "datavolumes") as volumes:
        namespace.apply(volume("missing", server.url("later.qcow2")))
        volumes.until(lambda now: "missing" in now and failing(now["missing"]), "it says that it fails", 60)
        restarts = "jsonpath={.status.restartCount}=2"
        namespace.wait("datavolume/missing", restarts, 120)
        while_broken = volumes.history("missing")
        with Watch(namespace, "events", "--field-selector=involvedObject.kind=DataVolume,reason=Error") as told:
            counted = "the repetition is counted"
            told.until(lambda now: any(each.get("count", 1) >= 2 for each in now.values()), counted, 120)
            events = list(told.now.values())
        server.put("later.qcow2", images["small.qcow2"].path)
        volumes.until(lambda now: phase(now, "missing") == "Succeeded", "it heals", 180)
        assert failing(volumes.now["missing"]) is None
    first = next(n for n, obj in enumerate(while_broken) if failing(obj))
    for obj in while_broken[first:]:
        condition, transfer = failing(obj), transfer_of(obj)
        assert condition is not None
        assert (condition["status"], condition["reason"]) == ("True", "PermanentError")
        assert condition["message"].endswith(f"404 Not Found. {NOT_THERE}")
        assert (transfer["error"], transfer["hint"]) == (
            "Permanent",
            "There is no such file on the server: check the URL.",
        )
        assert "got 404" in transfer["message"]
        assert phase({"it": obj}, "it") == "ImportInProgress", "as the reference has it"
    conditions = [each for obj in while_broken for each in obj.get("status", {}).get("conditions", ())]
    stopped = [each for each in conditions if each.get("reason") == "Error"]
    assert stopped
    assert all("check the URL" in each["message"] for each in stopped)
    assert len(events) == 1, "repetitions are counted"
