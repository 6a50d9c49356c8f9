"""schemathesis reads the OpenAPI document of a served model and asks what it can think of."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.models.serving.served import save_all
from tests.models.serving.test_server import serving
from tests.needs import needs

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.mark.parametrize("name", ["iris", "mixed", "tensor", "bare"])
def test_no_request_makes_the_server_fail(name: str, tmp_path: Path) -> None:
    needs("schemathesis")
    with serving(tmp_path, str(save_all(tmp_path)[name]), "--batch", "8") as server:
        address = f"http://127.0.0.1:{server.port}/openapi.json"
        command = [
            sys.executable,
            "-m",
            "schemathesis.cli",
            "run",
            address,
            "--checks",
            CHECKS,
            "--max-examples",
            "60",
        ]
        done = subprocess.run(
            [*command, "--no-color", "--seed", "1"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        assert server.end() == 0
    assert "could not be answered" not in server.said
