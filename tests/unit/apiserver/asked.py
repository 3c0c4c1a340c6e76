"""DataVolumes as short as a test of the rules can have them."""

from tests.unit.flows.given import NAME, NS

URL = "http://images.example.com/disk.qcow2"
PVC = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
HTTP = {"http": {"url": URL}}
CLONE = {"pvc": {"namespace": "golden", "name": "debian"}}
LONG = "a" * 254
ON_ENGINE = {"url": "https://engine/api", "diskId": "1", "secretRef": "login", "certConfigMap": "ca"}
ON_VCENTER = {"url": "https://vc", "uuid": "u", "backingFile": "[a] b.vmdk", "thumbprint": "t", "secretRef": "login"}
STAGES = {"checkpoints": [{"previous": "", "current": "one"}]}
SOMEBODYS = {"name": "theirs", "kind": "Populator", "apiGroup": "example.com"}


def asked(**spec):
    """A DataVolume that is in order but for what is given; None takes a field away."""
    made = {"source": HTTP, **({} if "storage" in spec else {"pvc": PVC}), **spec}
    spec = {field: value for field, value in made.items() if value is not None}
    return {"metadata": {"name": NAME, "namespace": NS}, "spec": spec}


def sized(size, **more):
    return {**PVC, "resources": {"requests": {"storage": size} if size is not None else {}}, **more}


def storage(size="1Gi", **more):
    return {"resources": {"requests": {"storage": size} if size is not None else {}}, **more}


def first(causes):
    return next(causes, None)
