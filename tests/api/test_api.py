"""Our own descriptions in OpenAPI, and everything that they allow and do not allow, asked for by schemathesis.

make test-api
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.server.access.visiting import filled
from tests.server.process import Serve

if find_spec("schemathesis") is None:
    pytest.skip("schemathesis is not installed; `make test-api` runs these", allow_module_level=True)

NO_LIMITS = {
    "RLHF_OTEL_SERVER_RATE": "1000000",
    "RLHF_OTEL_SERVER_FEEDBACK_PER_ADDRESS": "0",
    "RLHF_OTEL_SERVER_FEEDBACK_PER_TOKEN": "0",
}
ALWAYS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"]


@pytest.mark.timeout(560)
@pytest.mark.parametrize(
    ("address", "checks"),
    [
        ("/api/openapi.json", [*ALWAYS, "ignored_auth", "negative_data_rejection", "positive_data_acceptance"]),
        # What goes together in feedback no schema says, and of a batch each item is answered for itself.
        ("/v1/feedback/openapi.json", ALWAYS),
    ],
)
def test_no_request_that_the_description_leads_to_breaks_anything(
    tmp_path: Path, address: str, checks: list[str]
) -> None:
    """No 500, and nothing that the description does not announce."""
    token = filled(tmp_path / "store.db")["admin"]
    with Serve(tmp_path / "store.db", environ=NO_LIMITS) as server:
        words = ["-m", "schemathesis.cli", "run", server.url + address, "--header", f"Authorization: Bearer {token}"]
        words += ["--checks", ",".join(checks), "--max-examples", "100", "--suppress-health-check", "all"]
        words += ["--phases", "examples,coverage,fuzzing", "--seed", "1", "--no-color"]
        ended = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr
