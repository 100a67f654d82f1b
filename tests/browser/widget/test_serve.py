"""The component and the endpoint of `rlhf-otel serve`, for pages whose application is somewhere else."""

from __future__ import annotations

import pytest

from rlhf_otel.records import Handle
from rlhf_otel.store import Store
from tests.server.process import Serve


@pytest.fixture
def servers(servers, tmp_path):
    """The site of pages, and in the place of the application's endpoint a server of its own process."""
    with Serve(tmp_path / "store.db", ["--no-grpc"], {"RLHF_OTEL_TOKEN_KEY": "a secret of these tests"}) as server:
        _, site = servers
        site.permit(server.url)
        yield server, site
        site.permit(servers[0].url)


@pytest.fixture
def endpoint(servers):
    """The server."""
    return servers[0]


def test_a_thumb_before_its_call(site, page, tmp_path):
    """It needs no login, and waits in the store for a call that has not come yet."""
    handle = Handle("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
    site.show(f'<rlhf-feedback token="{handle.token(rater="u1")}"></rlhf-feedback>')
    page.get_by_role("button", name="Good").click()
    site.wait("sent")
    with Store.open(tmp_path / "store.db", read_only=True) as store:
        assert [(f.span_id, f.value) for f in store.pending()] == [(handle.span_id, True)]
