"""Where a receiver is known to differ from the suite: test name -> what it does instead.

A name stands for all parameters of a test, or for one with them, as in `test_empty[grpc]`.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.conformance.messages import SIGNALS

_HTTP = ("http-protobuf", "http-json")
_AS_THEY_ARE = "it takes spans without an id as they are"
_ALL_OR_NOTHING = "an id of a wrong length has the whole request refused"
_NOT_413 = "it answers 400, not 413"
_INTERNAL = "it answers INTERNAL, not INVALID_ARGUMENT; neither is tried again"
_QUOTED = "500, for its answer quotes the bytes that are no text, and so is none either"

DEVIATIONS: Mapping[str, Mapping[str, str]] = {
    "ours": {},
    # The OpenTelemetry Collector 0.161.0, asked by `tests/collector/test_conformance.py`.
    "collector": {
        "test_success_leaves_partial_success_unset": "it sets an empty partial_success",
        "test_one_connection_serves_all_signals_at_once": "it sets an empty partial_success",
        "test_spans_without_a_valid_id_are_rejected_and_counted": f"{_AS_THEY_ARE}; {_ALL_OR_NOTHING}",
        "test_a_request_of_rejects_alone_is_a_partial_success": _AS_THEY_ARE,
        "test_many_rejects_make_no_large_answer": _AS_THEY_ARE,
        "test_log_records_with_ids_of_a_wrong_length_are_rejected": _ALL_OR_NOTHING,
        "test_text_that_is_no_utf_8_costs_its_span_alone": "it passes such text on as it is",
        "test_further_compressions_are_taken[grpc-deflate]": "over gRPC it takes gzip, snappy and zstd",
        "test_a_chunked_body_over_the_limit_is_refused": _NOT_413,
        **{f"test_a_body_over_the_limit_is_refused_for_good[{name}]": _NOT_413 for name in _HTTP},
        **{
            f"test_a_body_that_is_over_the_limit_only_when_decompressed_is_refused_for_good[{name}-{packed}]": _NOT_413
            for name in _HTTP
            for packed in ("gzip", "deflate", "zstd")
        },
        "test_a_body_that_is_over_the_limit_only_when_decompressed_is_refused_for_good[grpc-deflate]": "no deflate",
        **{f"test_what_cannot_be_decoded_is_refused_for_good[grpc-{name}]": _INTERNAL for name in SIGNALS},
        "test_a_body_that_ends_too_early_is_refused_for_good[grpc]": _INTERNAL,
        "test_bad_data_is_an_invalid_argument": _INTERNAL,
        **{f"test_what_cannot_be_decoded_is_refused_for_good[http-json-{name}]": _QUOTED for name in SIGNALS},
        "test_a_refusal_has_a_status_of_google_rpc[http-json]": _QUOTED,
    },
}
