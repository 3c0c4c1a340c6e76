"""What a provisioner without CSI has to do next, from what the cluster and the disk hold.

Pure: `Seen` in, actions out. The rules are those that Kubernetes sets for external provisioners: a claim is ours when
the controller-manager has written our name on it, a volume when its annotation says that we made it.
"""

from dataclasses import dataclass

CLAIM_ANNOTATION = "volume.kubernetes.io/storage-provisioner"
NODE_ANNOTATION = "volume.kubernetes.io/selected-node"
VOLUME_ANNOTATION = "pv.kubernetes.io/provisioned-by"


@dataclass(frozen=True)
class Class:
    """What a StorageClass says; `waits`: volumeBindingMode WaitForFirstConsumer."""

    name: str
    provisioner: str
    waits: bool
    reclaim_policy: str


@dataclass(frozen=True)
class Claim:
    """A PersistentVolumeClaim; `source` is the kind of the object it is to be filled from, or empty."""

    namespace: str
    name: str
    uid: str
    storage_class: str
    annotations: dict[str, str]
    size_bytes: int
    block: bool
    access_modes: tuple[str, ...]
    source: str
    has_selector: bool
    volume: str
    deleting: bool

    @property
    def future_volume(self) -> str:
        return f"pvc-{self.uid}"


@dataclass(frozen=True)
class Volume:
    """A PersistentVolume."""

    name: str
    annotations: dict[str, str]
    phase: str
    reclaim_policy: str


@dataclass(frozen=True)
class Seen:
    """Everything a decision needs; `node` is the name of this machine."""

    provisioner: str
    node: str
    classes: tuple[Class, ...]
    claims: tuple[Claim, ...]
    volumes: tuple[Volume, ...]


@dataclass(frozen=True)
class Provision:
    claim: Claim
    storage_class: Class


@dataclass(frozen=True)
class Refuse:
    """Tell the owner of the claim why nothing is made for it."""

    claim: Claim
    text: str


@dataclass(frozen=True)
class Remove:
    """Remove the volume and its files."""

    volume: str


Action = Provision | Refuse | Remove


def plan(seen: Seen) -> list[Action]:
    """Everything that is to be done now, in any order."""
    classes = {known.name: known for known in seen.classes if known.provisioner == seen.provisioner}
    made = {volume.name for volume in seen.volumes}
    actions: list[Action] = []
    for claim in seen.claims:
        storage_class = classes.get(claim.storage_class)
        asked = claim.annotations.get(CLAIM_ANNOTATION) == seen.provisioner
        done = claim.volume or claim.deleting or claim.future_volume in made
        if storage_class and asked and not done:
            actions.extend(_provision(seen, claim, storage_class))
    for volume in seen.volumes:
        ours = volume.annotations.get(VOLUME_ANNOTATION) == seen.provisioner
        if ours and volume.phase == "Released" and volume.reclaim_policy == "Delete":
            actions.append(Remove(volume.name))
    return actions


def orphans(seen: Seen, images: frozenset[str]) -> list[str]:
    """Of the volumes that have files here, those that the cluster neither has nor wants.

    Their claim went before the cluster heard of the volume: this process was killed, or the API server did not answer.
    """
    return sorted(images - {volume.name for volume in seen.volumes} - {claim.future_volume for claim in seen.claims})


def _provision(seen: Seen, claim: Claim, storage_class: Class) -> list[Action]:
    node = claim.annotations.get(NODE_ANNOTATION)
    if storage_class.waits and node is None:
        return []
    if node not in (None, seen.node):
        return [Refuse(claim, f"node {node} was selected, but volumes are made on node {seen.node} only")]
    if claim.source:
        return [Refuse(claim, f"volumes of {seen.provisioner} start empty: cannot fill one from a {claim.source}")]
    if claim.has_selector:
        return [Refuse(claim, "a claim with a selector waits for a volume that somebody else makes")]
    return [Provision(claim, storage_class)]
