"""Takes the pictures of the web component: `python docs/screenshot.py`, with Chromium and what `make test` installs."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from rlhf_otel.testing import FakeLLM, Reply  # noqa: E402
from tests.browser.chromium import ARGUMENTS, program  # noqa: E402

PORT = "8765"
ANSWERS = {
    "How do I keep basil fresh?": "Put the stems in a glass of water on the windowsill, like flowers, and change the "
    "water every other day. Keep it out of the fridge: cold turns the leaves black.",
    "And mint?": "Mint is tougher. Wrap it in a damp cloth and it keeps for a week in the fridge.",
}


def take(browser: Browser, scheme: str) -> None:
    """One picture of a short conversation, rated."""
    page = browser.new_page(color_scheme=scheme, viewport={"width": 640, "height": 610})
    page.goto(f"http://127.0.0.1:{PORT}/")
    for question, answer in ANSWERS.items():
        page.get_by_label("Your question").fill(question)
        page.keyboard.press("Enter")
        page.get_by_text(answer).wait_for()
    first, second = page.locator("article").all()
    first.get_by_role("button", name="Good").click()
    first.get_by_role("button", name="Comment").click()
    second.get_by_role("button", name="Bad").click()
    second.get_by_role("textbox").fill("It wilted after two days.")
    second.get_by_text("Thank you").wait_for()
    page.screenshot(path=ROOT / "docs" / f"widget-{scheme}.png")


def main() -> None:
    """The FastAPI chat with a provider on this machine, in both schemes."""
    with (
        FakeLLM(responder=lambda request: Reply(text=ANSWERS[request.prompt])) as llm,
        sync_playwright() as playwright,
        tempfile.TemporaryDirectory() as folder,
    ):
        environ = {**os.environ, "OPENAI_API_KEY": "none", "OPENAI_BASE_URL": llm.openai_url, "PORT": PORT}
        command = [
            sys.executable,
            "-m",
            "rlhf_otel.launcher.command",
            sys.executable,
            ROOT / "examples/fastapi_chat.py",
        ]
        chat = subprocess.Popen(command, env=environ, cwd=folder)
        browser = playwright.chromium.launch(executable_path=program(playwright), args=list(ARGUMENTS))
        try:
            while True:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{PORT}/")
                    break
                except urllib.error.URLError:
                    time.sleep(0.1)
            for scheme in ("light", "dark"):
                take(browser, scheme)
        finally:
            browser.close()
            chat.terminate()
            chat.wait()


if __name__ == "__main__":
    main()
