"""Notebooks: modules are edited and loaded again while the kernel lives, and cells are run twice."""

from __future__ import annotations

import nbclient
import nbformat

from .conftest import APPS, pairs, stored

HELPER = """
import openai
def ask(prompt):
    client = openai.OpenAI(base_url={url!r}, api_key="k", max_retries=0)
    return client.chat.completions.create(model="m", messages=[dict(role="user", content={word!r} + prompt)])
"""
CELLS = [
    "%load_ext autoreload\n%autoreload 2\nimport helper, pathlib, rlhf_otel as rlhf\nrlhf.instrument()",
    "helper.ask('before the edit')",
    "pathlib.Path('helper.py').write_text(edited)",
    "helper.ask('after the edit')",
    "import importlib\nimportlib.reload(helper)\nimportlib.reload(rlhf)\nrlhf.instrument()\nhelper.ask('reloaded')",
    "import openai\nimportlib.reload(openai)\nrlhf.instrument()\nhelper.ask('library reloaded')",
    # As after an upgrade of the library, for which nobody wants to lose the kernel.
    "import sys\nfor name in [n for n in sys.modules if n.partition('.')[0] == 'openai']: del sys.modules[name]\n"
    "importlib.reload(helper)\nrlhf.instrument()\nhelper.ask('library anew')",
    "rlhf.uninstrument()\nhelper.ask('unseen')\nrlhf.instrument()\nhelper.ask('on again')",
    "assert rlhf.flush(60)",
]


def test_a_kernel_that_lives_long(llm, tmp_path, monkeypatch):
    """However modules are edited and reloaded, each call of each cell is recorded once."""
    monkeypatch.setenv("PYTHONPATH", str(APPS))
    (tmp_path / "helper.py").write_text(HELPER.format(url=llm.openai_url, word="first "))
    edited = HELPER.format(url=llm.openai_url, word="edited, second ")
    cells = [nbformat.v4.new_code_cell(cell) for cell in (f"edited = {edited!r}", *CELLS)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, timeout=100, resources={"metadata": {"path": str(tmp_path)}}).execute()
    said = [output.text for cell in notebook.cells for output in cell.outputs if output.output_type == "stream"]
    assert said == []
    again = ("after the edit", "reloaded", "library reloaded", "library anew", "on again")
    expected = pairs("first before the edit", *(f"edited, second {prompt}" for prompt in again))
    assert stored(tmp_path / ".rlhf-otel" / "store.db") == expected
