"""The answer to an AdmissionReview as the API server reads it (spec 7.1)."""

import base64
import json

import pytest

from cdi_operator.apiserver.rules.cause import Cause
from cdi_operator.apiserver.verdict import ALLOWED, Verdict, judged, refused, response

ONE, TWO = Cause("first problem", "spec.a"), Cause("second", "spec.b", "FieldValueDuplicate")
PATCH = ({"op": "replace", "path": "/spec", "value": {}},)


@pytest.mark.parametrize(
    ("verdict", "wanted"),
    [
        (ALLOWED, {"allowed": True}),
        (Verdict(warnings=("old",)), {"allowed": True, "warnings": ["old"]}),
        (refused(""), {"allowed": True}),
        (refused("not now"), {"allowed": False, "status": {"code": 400, "message": "not now"}}),
        (judged(iter(())), {"allowed": True}),
        (
            judged(iter((ONE, TWO))),
            {
                "allowed": False,
                "status": {
                    "code": 422,
                    "message": " first problem",
                    "details": {
                        "causes": [{"reason": "FieldValueInvalid", "message": "first problem", "field": "spec.a"}]
                    },
                },
            },
        ),
    ],
)
@pytest.mark.parametrize("version", ["admission.k8s.io/v1", "admission.k8s.io/v1beta1"])
def test_answers(verdict, wanted, version):
    review = {"apiVersion": version, "kind": "AdmissionReview", "request": {"uid": "u"}}
    answer = {"apiVersion": version, "kind": "AdmissionReview", "response": {"uid": "u", **wanted}}
    assert response(review, verdict) == answer


def test_a_patch_travels_encoded():
    said = response({"apiVersion": "v1", "request": {"uid": "u"}}, Verdict(patch=PATCH))["response"]
    assert (said["allowed"], said["patchType"]) == (True, "JSONPatch")
    assert json.loads(base64.b64decode(said["patch"])) == list(PATCH)


def test_nothing_is_asked_after_the_first_cause():
    def rules():
        yield ONE
        raise AssertionError("relies on what the first cause says is not so")

    assert judged(rules()).causes == (ONE,)
