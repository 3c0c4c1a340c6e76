"""What a test of the storage must not leave behind on this machine: loop devices."""

from pathlib import Path

from devcluster.csi import loop
from tests.e2e.namespaces import until_empty


def wait_for_none(place: Path) -> None:
    """Wait until no file in `place`, or `place` itself, has a loop device.

    One that is detached goes with whoever has it open last: the clean-up after another test looks at each there is.
    """
    until_empty(
        lambda: [found.device for found in loop.attached() if found.backing.startswith(str(place))],
        f"loop devices of {place}",
        timeout_s=10,
    )
