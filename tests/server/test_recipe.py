"""What `docs/serve.md` tells its reader to type, typed: an application in one process, the server in another."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rlhf_otel.testing import FakeLLM
from tests.server.process import QUIET, Serve

PAGE = (Path(__file__).parents[2] / "docs" / "serve.md").read_text(encoding="utf-8")
APP = """
import openai, rlhf_otel as rlhf
from rlhf_otel import feedback

client = openai.OpenAI()
with rlhf.context(message="m-1"):
    answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
feedback.record(answer, True)
feedback.record(message="m-1", value=4, scale=(1, 5), rater="u1")
"""


def typed(number: int) -> list[str]:
    """The commands of a block of the page."""
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
    return str(blocks[number]).splitlines()


@pytest.mark.skipif(sys.platform == "win32", reason="the page is written for a shell of POSIX")
@pytest.mark.parametrize(("protocol", "token"), [("http/protobuf", ""), ("grpc", ""), ("grpc", "secret-7")])
def test_the_recipe_works(tmp_path: Path, protocol: str, token: str) -> None:
    """The calls of the application and the feedback on them are shown, by its commands and by no others."""
    assert typed(0)[1] == "rlhf-otel serve"
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    environ = {"RLHF_OTEL_SERVER_TOKEN": token} if token else {}
    with FakeLLM() as llm, Serve(tmp_path / ".rlhf-otel" / "store.db", environ=environ) as server:
        url = f"http://{server.grpc}" if protocol == "grpc" else server.url
        record, look = typed(1)
        if token:
            record = typed(2)[1].replace("http://server:4318", "http://127.0.0.1:4318")
            record = record.replace("Bearer ...", f"Bearer {token}")
        variables = {
            **QUIET,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "OPENAI_BASE_URL": llm.openai_url,
            "OPENAI_API_KEY": "none",
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        }
        for command in (record.replace("http://127.0.0.1:4318", url), f"{look} --json > shown.json"):
            subprocess.run(command, shell=True, cwd=tmp_path, env=variables, check=True)
    (call,) = json.loads((tmp_path / "shown.json").read_text(encoding="utf-8"))
    assert (call["request_model"], call["prompt_text"]) == ("m", "Hi")
    assert sorted(str(given["value"]) for given in call["feedback"]) == ["4", "True"]
