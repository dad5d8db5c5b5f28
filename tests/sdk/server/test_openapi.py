"""The API's description: complete, and what the server does when it is called by it."""

from contextlib import suppress
from itertools import count
from unittest import SkipTest

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable

QUICK = settings(
    max_examples=3,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
LATE = 504
"""Calls have little time here, so that streams end; on a busy machine that ends others too."""
METHODS = ("get", "put", "post", "delete", "patch")


def operations(described):
    """(path, method, operation) of every route."""
    for path, item in described["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield path, method, operation


def test_every_route_is_described(served):
    """With a summary, its errors in their one form, and an example wherever a body is sent as JSON."""
    described = httpx.get(f"{served[0]}/openapi.json").json()
    assert len(list(operations(described))) > 20
    lacking = []
    for path, method, operation in operations(described):
        sent = operation.get("requestBody", {}).get("content", {}).get("application/json")
        errors = [
            operation["responses"][status]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            for status in ("400", "401", "403", "404", "429", "500", "504")
        ]
        complete = {
            "summary": bool(operation.get("summary")),
            "errors": set(errors) == {"Problem"} and "HTTPValidationError" not in str(operation),
            "example": sent is None or _has_example(described, sent),
        }
        lacking += [f"{method} {path} has no {part}" for part, there in complete.items() if not there]
    assert lacking == []


def _has_example(described, content):
    schema = content["schema"]
    named = described["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], schema)
    return any("example" in place or "examples" in place for place in (content, schema, named))


def check(answer, operation):
    """What is wrong with an answer, by the description; nothing if it is right."""
    status, kind = answer.status_code, (answer.headers.get("content-type") or [""])[0]
    if (status >= 500 and status != LATE) or str(status) not in operation.definition.raw["responses"]:
        return [f"{status} {answer.text[:300]}"]
    if status >= 400 and not (kind.startswith("application/json") and "code" in answer.json()["error"]):
        return [f"{status} is no error of the usual form: {answer.text[:300]}"]
    return []


def faults(operation, mode):
    """Call a route a few times with what its description allows or forbids; what was wrong."""
    wrong, calls = [], count()

    @seed(7)
    @settings(QUICK)
    @given(operation.as_strategy(generation_mode=mode))
    def call(case):
        if "name" in (case.path_parameters or {}) and next(calls) % 3:
            case.path_parameters["name"] = "cats"
        answer = case.call(timeout=10)
        wrong.extend(f"{operation.label}: {fault}" for fault in check(answer, operation))

    with suppress(Unsatisfiable, SkipTest):  # a route that takes nothing cannot be called wrongly
        call()
    return wrong


@pytest.mark.parametrize("mode", [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE])
def test_what_the_description_allows_and_forbids_is_answered(serve, mode):
    """Every route is called with what its description allows, or with what it does not: no fault, no hang.

    Every status is one that the description names, every error has the usual form.
    """
    with serve(call_timeout=0.3) as (address, _):
        httpx.post(f"{address}/v1/sessions", json={"name": "cats"})
        httpx.post(f"{address}/v1/sessions/cats/tools/generate", json={"arguments": {"prompt": "a red star"}})
        described = schemathesis.openapi.from_url(f"{address}/openapi.json")
        wrong = [fault for found in described.get_all_operations() for fault in faults(found.ok(), mode)]
        assert httpx.get(f"{address}/healthz").status_code == 200
    assert wrong == []
