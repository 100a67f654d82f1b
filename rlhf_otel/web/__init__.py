"""Feedback over HTTP in the application's own server: the endpoint, and headers that say what to rate.

`FeedbackApp` and `FeedbackWSGI` answer `POST /v1/feedback` and its kin, alone or in front of another application;
`TraceHeaders` and `TraceHeadersWSGI` add `traceparent` and `x-rlhf-token` to its responses. No extra is needed.
"""

from rlhf_otel.web.app import FeedbackApp, FeedbackWSGI
from rlhf_otel.web.door import Door
from rlhf_otel.web.headers import TraceHeaders, TraceHeadersWSGI
from rlhf_otel.web.requests import Refusal, Request, Response

__all__ = ["Door", "FeedbackApp", "FeedbackWSGI", "Refusal", "Request", "Response", "TraceHeaders", "TraceHeadersWSGI"]
