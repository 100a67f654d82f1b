"""aiobotocore's Bedrock runtime: the cases of boto3's, asynchronously."""

from __future__ import annotations

import json

from .case import Library
from .cases_bedrock import CASES, CREDENTIALS, REFUSAL


class Client:
    """A client that is made when it is used, on the loop that uses it."""

    def __init__(self, url):
        self.url, self.own = url, None

    async def aclose(self):
        """Closes its connections, if it was used."""
        if self.own is not None:
            await self.own.close()

    async def ask(self, operation, **given):
        """A whole answer."""
        if self.own is None:
            from aiobotocore.session import get_session

            made = get_session().create_client("bedrock-runtime", endpoint_url=self.url, **CREDENTIALS)
            self.own = await made.__aenter__()
        return await getattr(self.own, operation)(**given)

    async def stream(self, operation, key, **given):
        """A stream."""
        return (await self.ask(operation, **given))[key]

    async def read(self, model, asked):
        """The bytes of a body, read in two pieces."""
        body = (await self.ask("invoke_model", modelId=model, body=json.dumps(asked)))["body"]
        return await body.read(5) + await body.read()


WANTED = ("converse", "converse-stream", "anthropic", "anthropic-stream")
LIBRARY = Library(
    package="aiobotocore", clients={"async": Client}, provider="aws.bedrock", refusal=REFUSAL,
    cases=[case for case in CASES if case.name in WANTED],
)  # fmt: skip
