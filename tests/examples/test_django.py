"""What docs/widget.md says to Django's users, in a browser."""

from __future__ import annotations

import re
import sys
import types

import pytest

import rlhf_otel as rlhf
from rlhf_otel.store import Store
from rlhf_otel.token import rater_hash
from tests.examples.conftest import EXAMPLES
from tests.web.conftest import serving

pytest.importorskip("django", reason="tests/matrix/run.sh examples/django")

PAGE = (EXAMPLES.parent / "docs" / "widget.md").read_text(encoding="utf-8")


def block(language, has):
    """The block of the page that has these words."""
    found = re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)
    return next(text for text in found if has in text)


def signed_in(get_response):
    def middleware(request):
        request.user = types.SimpleNamespace(pk=7)
        return get_response(request)

    return middleware


@pytest.fixture
def application(provider, monkeypatch, tmp_path):
    """The site, of the page's own blocks."""
    import django
    from django.conf import settings
    from django.urls import path

    monkeypatch.chdir(tmp_path)
    for name, value in {"OPENAI_BASE_URL": f"{provider.url}/v1", "OPENAI_API_KEY": "none"}.items():
        monkeypatch.setenv(name, value)
    rlhf.instrument()
    site = types.ModuleType("site_of_the_page")
    site.signed_in = signed_in
    monkeypatch.setitem(sys.modules, site.__name__, site)
    template = f'<!doctype html><script src="/feedback.js" async></script>{block("html", "{{ token }}")}'
    loader = ("django.template.loaders.locmem.Loader", {"answer.html": template})
    settings.configure(
        ROOT_URLCONF=site.__name__, ALLOWED_HOSTS=["*"], MIDDLEWARE=[f"{site.__name__}.signed_in"],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "OPTIONS": {"loaders": [loader]}}],
    )  # fmt: skip
    django.setup()
    exec(block("python", "def answer"), site.__dict__)
    site.urlpatterns = [path("answer", site.answer)]
    exec(block("python", "get_wsgi_application"), site.__dict__)
    yield site.application
    rlhf.shutdown(5)


def test_a_view_with_its_template(application, page, eventually):
    """The thumb below the answer arrives at its call, as that of the person who has asked."""
    with serving(application, "wsgi") as port:
        page.goto(f"http://127.0.0.1:{port}/answer?q=Hi")
        page.get_by_role("button", name="Good").click()
        page.get_by_text("Thank you").wait_for()

    def stored():
        assert rlhf.flush(10)
        with Store.open(".rlhf-otel/store.db", read_only=True) as store:
            calls = list(store.interactions())
            return [(f.value, f.rater) for found in store.feedback_on(calls).values() for f in found]

    assert eventually(stored, [(True, rater_hash("7"))]) == [(True, rater_hash("7"))]
