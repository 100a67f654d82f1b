"""How much each method that was found matters, and which of them are no answers of models after all."""

from __future__ import annotations

import fnmatch

PRIORITIES = {
    1: (
        "openai *chat.completions.create", "openai *chat.completions.parse", "openai *chat.completions.stream",
        "openai completions.create", "openai embeddings.create",
        "openai responses.create", "openai responses.parse", "openai responses.stream", "openai responses.retrieve",
        "anthropic *messages.create", "anthropic *messages.parse", "anthropic *messages.stream",
    ),
    2: (
        "openai responses.c*", "openai beta.responses.*", "openai images.*", "openai audio.*", "openai moderations.*",
        "openai videos.*", "openai decisions.*", "openai *chat.completions.retrieve",
        "anthropic beta.messages.tool_runner", "anthropic beta.messages.thread", "anthropic *messages.batches.*",
    ),
    3: (
        "openai batches.*", "openai files.content", "openai *input_tokens.count", "anthropic *messages.count_tokens",
        "openai beta.threads.*", "openai beta.agents.sessions.*", "openai *realtime.*connect", "openai live.*connect",
        "anthropic beta.sessions.*", "anthropic beta.dreams.*",
    ),
}  # fmt: skip
"""Priority -> patterns of names. What no pattern names counts as 2, so that a new method of a library is noticed."""

EXCLUDED = {
    "openai beta.agents.create": "defines an agent",
    "openai beta.agents.retrieve": "the definition of an agent",
    "openai beta.agents.sessions.artifacts.content": "a file that a tool has written",
    "openai beta.chatkit.threads.retrieve": "the name and the state of a thread",
    "openai beta.threads.create": "an empty thread",
    "openai beta.threads.retrieve": "the settings of a thread",
    "openai containers.files.content.retrieve": "a file that a tool has written",
    "openai content_provenance_checks.create": "looks a file up in a register; no model is asked",
    "openai conversations.items.retrieve": "one item of a conversation that has been recorded when it was made",
    "openai evals.runs.output_items.retrieve": "a row of an evaluation that ran on the server",
    "openai live.sessions.download_recording": "the recording of a conversation, both sides",
    "openai realtime.calls.create": "sets up a call by WebRTC, whose sound never comes by the library",
    "openai skills.content.retrieve": "a file that was uploaded",
    "openai skills.versions.content.retrieve": "a file that was uploaded",
    "anthropic beta.files.download": "a file that was uploaded, or that a tool has written",
    "anthropic beta.organization.plugins.versions.download": "a file that was uploaded",
    "anthropic beta.skills.versions.download": "a file that was uploaded",
    "anthropic files.download": "a file that was uploaded, or that a tool has written",
}
"""Methods that the rule finds and that return nothing that a model has made, with the reason."""


def priority(name: str) -> int:
    """How much the method of this name matters: 1 to 3."""
    for number, patterns in PRIORITIES.items():
        if any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
            return number
    return 2
