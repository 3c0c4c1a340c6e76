"""What the other kinds are refused for (spec 7.3)."""

import pytest

from cdi_operator.apiserver.rules import cdi, dataimportcron, objecttransfer, population
from cdi_operator.apiserver.rules.cause import Cause
from cdi_operator.storage.schedules import is_schedule
from tests.unit.apiserver.asked import HTTP, ON_VCENTER, PVC, STAGES, first, sized

REGISTRY = {"registry": {"url": "docker://quay.io/debian"}}
CLAIM = {"pvc": {"namespace": "golden", "name": "debian"}}


def cron(name="daily", template=None, **spec):
    made = {"source": REGISTRY, "pvc": PVC, **(template or {})}
    wanted = {"schedule": "0 3 * * *", "managedDataSource": "debian", **spec}
    return {
        "metadata": {"name": name},
        "spec": {"template": {"spec": {k: v for k, v in made.items() if v is not None}}, **wanted},
    }


@pytest.mark.parametrize(
    ("asked", "message", "field"),
    [
        (cron("a" * 64), "Name cannot be longer than 63 characters", ""),
        (cron(template={"source": HTTP}), "Missing source", "spec.Template"),
        (cron(template={"source": None}), "Missing source", "spec.Template"),
        *(
            (
                cron(template=more),
                "Unsettable fields: SourceRef, ContentType, Checkpoints, FinalCheckpoint",
                "spec.Template",
            )
            for more in (
                {"sourceRef": {"kind": "DataSource", "name": "x"}},
                {"contentType": "kubevirt"},
                STAGES,
                {"finalCheckpoint": True},
            )
        ),
        (cron(template={"pvc": None}), "Missing Data volume PVC", "Template.PVC"),
        (
            cron(template={"source": {"registry": {"url": "http://x"}}}),
            "Illegal registry source URL scheme http://x",
            "Template.source.Registry.URL",
        ),
        (
            cron(template={"source": {"pvc": {"namespace": "", "name": "x"}}}),
            "Template.source.PVC source PVC is not valid",
            "Template.source.PVC",
        ),
        (cron(template={"source": {**REGISTRY, **HTTP}}), "Multiple Data volume sources", "Template.source"),
        (cron(schedule="every day"), "Illegal cron schedule", "spec.Schedule"),
        (cron(importsToKeep=-1), "Illegal ImportsToKeep value", "spec.ImportsToKeep"),
        (cron(garbageCollect="Sometimes"), "Illegal GarbageCollect value", "spec.GarbageCollect"),
        (cron(managedDataSource=""), "Illegal ManagedDataSource value", "spec.ManagedDataSource"),
        (
            cron(managedDataSource="a" * 64),
            "Name cannot be longer than 63 characters",
            "spec.ManagedDataSource",
        ),
    ],
)
def test_a_cron_is_refused(asked, message, field):
    assert first(dataimportcron.created(asked)) == Cause(message, field, "FieldValueInvalid")


@pytest.mark.parametrize(
    "asked",
    [
        cron(),
        cron("a" * 63),
        cron(schedule=""),
        cron(importsToKeep=0, garbageCollect="Never"),
        cron(template={"source": CLAIM, "pvc": None, "storage": {}}),
    ],
)
def test_a_cron_in_order(asked):
    assert first(dataimportcron.created(asked)) is None


def test_a_cron_does_not_change():
    changed = Cause("Cannot update DataImportCron Spec", "DataImportCron.Spec", "FieldValueDuplicate")
    assert first(dataimportcron.updated(cron(importsToKeep=0), cron())) == changed
    assert first(dataimportcron.updated(cron(), cron())) is None


@pytest.mark.parametrize(
    ("schedule", "wanted"),
    [
        ("0 3 * * *", True),
        ("*/15 0-6 1,15 JAN-MAR MON", True),
        ("@daily", True),
        ("0 3 * *", False),
        ("0 3 * * * *", False),
        ("61 * * * *", False),
        ("* * * * mo", False),
        ("@sometimes", False),
        ("a b c d e", False),
    ],
)
def test_schedules(schedule, wanted):
    assert is_schedule(schedule) is wanted


# Population sources --------------------------------------------------------------------------------------------------


def source(name="src", **spec):
    return {"metadata": {"name": name}, "spec": spec}


VDDK = {"source": {"vddk": ON_VCENTER}}


@pytest.mark.parametrize(
    ("asked", "message", "field"),
    [
        (source("a" * 64, source=HTTP), "Name cannot be longer than 63 characters", ""),
        (source(source=HTTP, contentType="iso"), "ContentType not one of: kubevirt, archive", "spec.contentType"),
        (source(), "Missing VolumeImport source", "spec.source"),
        (source(source=None), "Missing VolumeImport source", "spec.source"),
        (source(source={}), "Missing VolumeImport source", "spec.source"),
        (source(source={**HTTP, "blank": {}}), "Multiple VolumeImport sources", "spec.source"),
        (source(source={"http": {"url": "x"}}), "spec.source Invalid source URL: x", "spec.source.HTTP.url"),
        (
            source(source={"blank": {}}, contentType="archive"),
            "SourceType cannot be blank and the contentType be archive",
            "spec.contentType",
        ),
        (
            source(**VDDK, **STAGES),
            "Unable to do multi-stage import without specifying a target claim",
            "spec.targetClaim",
        ),
    ],
)
def test_an_import_source_is_refused(asked, message, field):
    assert first(population.import_source_created(asked)) == Cause(message, field, "FieldValueInvalid")


@pytest.mark.parametrize(
    "asked",
    [source(source=HTTP), source(source={"blank": {}}), source(**VDDK, **STAGES, targetClaim="disk")],
)
def test_an_import_source_in_order(asked):
    assert first(population.import_source_created(asked)) is None


SOURCE_CHANGED = Cause("Cannot update VolumeImportSource Spec", "VolumeImportSource.Spec", "FieldValueDuplicate")


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (source(source=HTTP), source(source=HTTP, contentType=""), None),
        (source(source=HTTP), source(source={"blank": {}}), SOURCE_CHANGED),
        (source(**VDDK, targetClaim="disk"), source(**VDDK, **STAGES, targetClaim="disk"), None),
        (source(**VDDK, **STAGES, targetClaim="disk"), source(**VDDK, **STAGES, targetClaim="x"), SOURCE_CHANGED),
        (source(source=HTTP), source(source=HTTP, **STAGES), SOURCE_CHANGED),
    ],
)
def test_an_import_source_changes(old, new, wanted):
    assert first(population.import_source_updated(new, old)) == wanted


def test_upload_sources():
    unknown = Cause("ContentType not one of: kubevirt, archive", "spec.contentType")
    changed = Cause("Cannot update VolumeUploadSource Spec", "VolumeUploadSource.Spec", "FieldValueDuplicate")
    assert first(population.upload_source_created(source(contentType="iso"))) == unknown
    assert first(population.upload_source_created(source())) is None
    assert first(population.upload_source_updated(source(contentType="archive"), source())) == changed
    assert first(population.upload_source_updated(source(), source())) is None


# ObjectTransfer, CDI -------------------------------------------------------------------------------------------------


def transfer(kind="DataVolume", **target):
    return {"spec": {"source": {"kind": kind, "namespace": "here", "name": "disk"}, "target": target}}


@pytest.mark.parametrize(
    ("asked", "exists", "wanted"),
    [
        (transfer(name="new"), False, ""),
        (transfer("PersistentVolumeClaim", namespace="there"), False, ""),
        (transfer(), False, "Target namespace and/or target name must be supplied"),
        (transfer("VolumeSnapshot", name="new"), False, 'Unsupported kind "VolumeSnapshot"'),
        (transfer(name="new"), True, 'ObjectTransfer target "here/new" already exists'),
        (transfer(namespace="there"), True, 'ObjectTransfer target "there/disk" already exists'),
        (transfer(namespace="there", name="new"), True, 'ObjectTransfer target "there/new" already exists'),
    ],
)
def test_a_transfer(asked, exists, wanted):
    assert objecttransfer.created(asked, exists) == wanted


def test_a_transfer_does_not_change():
    assert objecttransfer.updated(transfer(name="a"), transfer(name="b")) == "ObjectTransfer spec is immutable"
    assert objecttransfer.updated(transfer(name="a"), transfer(name="a")) == ""


BLOCKS = "BlockUninstallIfWorkloadsExist"
STILL = (
    "rejecting the uninstall request, since there are still {} DataVolumes present. "
    "Either delete all DataVolumes or change the uninstall strategy before uninstalling CDI"
)


@pytest.mark.parametrize(
    ("strategy", "phase", "volumes", "wanted"),
    [
        (BLOCKS, "Deployed", 0, ""),
        (BLOCKS, "Deployed", 1, STILL.format(1)),
        (BLOCKS, "Deployed", 500, STILL.format(2)),
        (BLOCKS, "", 1, ""),
        (BLOCKS, "Error", 1, ""),
        ("RemoveWorkloads", "Deployed", 1, ""),
        (None, "Deployed", 1, ""),
    ],
)
def test_deleting_the_installation(strategy, phase, volumes, wanted):
    installation = {"spec": {"uninstallStrategy": strategy} if strategy else {}, "status": {"phase": phase}}
    assert cdi.deleted(installation, volumes) == wanted


def test_sizes_of_a_template_are_looked_at():
    assert first(dataimportcron.created(cron(template={"pvc": sized("0")}))).message == (
        "PVC size can't be equal or less than zero"
    )
