"""What the process is told by flags and environment."""

from __future__ import annotations

import pytest

from cdi_operator.wiring.settings import read

ENVIRONMENT = {"IMPORTER_IMAGE": "registry/cdi-importer:v1", "POD_NAMESPACE": "cdi", "POD_NAME": "cdi-deployment-x"}


@pytest.mark.parametrize(
    ("arguments", "environment", "field", "wanted"),
    [
        ([], {}, "namespace", "cdi"),
        (["--namespace", "other"], {}, "namespace", "other"),
        ([], {}, "importer_image", "registry/cdi-importer:v1"),
        ([], {}, "pull_policy", "IfNotPresent"),
        ([], {"PULL_POLICY": "Always"}, "pull_policy", "Always"),
        ([], {"INSTALLER_PART_OF_LABEL": "kubevirt"}, "part_of", "kubevirt"),
        ([], {"INSTALLER_VERSION_LABEL": "v1"}, "version", "v1"),
        ([], {}, "config", None),
        ([], {"CDI_CONFIG": '{"featureGates":[]}'}, "config", {"featureGates": []}),
        ([], {}, "config_annotations", {}),
        ([], {"CDI_CONFIG_ANNOTATIONS": '{"a":"b"}'}, "config_annotations", {"a": "b"}),
        (["-v=3"], {}, "verbosity", 3),
        (["-v", "5", "-alsologtostderr", "-skip_headers"], {}, "verbosity", 5),
    ],
)
def test_installation(arguments: list[str], environment: dict[str, str], field: str, wanted: object) -> None:
    _, settings = read(arguments, {**ENVIRONMENT, **environment})
    assert getattr(settings, field) == wanted


@pytest.mark.parametrize(
    ("arguments", "environment", "field", "wanted"),
    [
        ([], {}, "leader_elect", True),
        (["--leader-elect=false"], {}, "leader_elect", False),
        ([], {}, "kubeconfig", None),
        ([], {"KUBECONFIG": "/a"}, "kubeconfig", "/a"),
        (["--kubeconfig", "/b"], {"KUBECONFIG": "/a"}, "kubeconfig", "/b"),
        ([], {}, "identity", "cdi-deployment-x"),
        ([], {}, "ready_file", "/tmp/ready"),
        ([], {}, "health_port", 8444),
        ([], {}, "metrics_port", 8443),
        (["--metrics-port=0"], {}, "metrics_port", 0),
    ],
)
def test_process(arguments: list[str], environment: dict[str, str], field: str, wanted: object) -> None:
    options, _ = read(arguments, {**ENVIRONMENT, **environment})
    assert getattr(options, field) == wanted


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        ([], {"IMPORTER_IMAGE": ""}, "IMPORTER_IMAGE is not set"),
        ([], {"POD_NAMESPACE": ""}, "say with --namespace"),
        ([], {"CDI_CONFIG": "{"}, "CDI_CONFIG is not JSON"),
        ([], {"CDI_CONFIG_ANNOTATIONS": "{"}, "CDI_CONFIG_ANNOTATIONS is not JSON"),
        (["--leader-elect=perhaps"], {}, "'perhaps' is neither true nor false"),
        (["-v=much"], {}, "invalid int value: 'much'"),
    ],
)
def test_what_is_missing_is_said(
    arguments: list[str], environment: dict[str, str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        read(arguments, {**ENVIRONMENT, **environment})
    assert ended.value.code == 2
    assert words in capsys.readouterr().err
