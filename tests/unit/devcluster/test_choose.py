"""Which cluster a command is about."""

import pytest

from devcluster.choose import Seen, decide


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        (Seen(), "embedded"),
        (Seen(kind_works=True), "kind"),
        (Seen(kubeconfig="/home/me/config", answers=True, kind_works=True), "existing"),
        (Seen(kubeconfig="/home/me/config", answers=True, embedded_here=True), "existing"),
        (Seen(kubeconfig="/home/me/config", answers=False), "embedded"),
        (Seen(kubeconfig="/home/me/config", answers=False, kind_works=True), "kind"),
        # What was started before kind was installed is still what `down` has to remove.
        (Seen(kind_works=True, embedded_here=True), "embedded"),
    ],
)
def test_decide(seen: Seen, wanted: str) -> None:
    assert decide(seen) == wanted
