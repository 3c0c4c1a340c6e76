"""The pod that the importer flow makes for a claim: what the tables of pod, volumes and job look at."""

from cdi_operator.flows.actions import Create
from cdi_operator.flows.importer import observe, plan
from importer_image.job import Job
from tests.unit.flows.given import CSI, HONOURS_WAIT, KEY, LOCAL, PRIME_KEY, SETTINGS, having, legacy, prime, target
from tests.unit.world import NOW, World


def made(*objects, key=KEY):
    world = World(*objects)
    actions = plan(observe(world, key), SETTINGS, NOW)
    assert [type(action) for action in actions] == [Create], actions
    return actions[0].object


def legacy_pod(annotations=None, **claim):
    return made(*LOCAL, HONOURS_WAIT, legacy("Bound", annotations, **claim))


def prime_pod(annotations=None, labels=None, **claim):
    wanted = having(target(), metadata={"labels": labels or {}})
    return made(*CSI, HONOURS_WAIT, wanted, prime("Bound", annotations, **claim), key=PRIME_KEY)


def job(pod):
    variable = pod["spec"]["containers"][0]["env"][0]
    assert variable["name"] == "CDI_JOB"
    return Job.from_json(variable["value"])
