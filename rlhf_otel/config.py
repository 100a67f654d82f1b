"""One table of settings, and where each effective value came from.

An argument in code beats the environment, the environment beats `rlhf-otel.toml` (or `[tool.rlhf-otel]` in
`pyproject.toml`) of the working directory, the file beats the default. OpenTelemetry's own variables keep their names;
only what OpenTelemetry has no variable for is called `RLHF_OTEL_*`. The README's table is made from this one.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from rlhf_otel import setting_values as read

DEFAULT_ASK_EVERY = 5
DEFAULT_STORE = ".rlhf-otel/store.db"
DEFAULT_SPOOL = ".rlhf-otel/spool"


class ConfigError(ValueError):
    """A setting has a value that it cannot have. The message names the setting, its source and what it takes.

    Attributes:
        by_code: whether the application's own code gave it, and not whoever runs the application.
    """

    def __init__(self, message: str, *, by_code: bool = False) -> None:
        super().__init__(message)
        self.by_code = by_code


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table.

    Attributes:
        name: in code, in the file and, with dashes, as a flag of the launcher.
        env: the environment variable.
        default: what holds where nothing is said.
        parse: turns the text of the variable into the value; raises ValueError.
        takes: what the value may be, in words.
        doc: what it does, in a sentence.
    """

    name: str
    env: str
    default: Any
    parse: Callable[[str], Any]
    takes: str
    doc: str


SETTINGS: tuple[Setting, ...] = (
    Setting("enabled", "RLHF_OTEL_ENABLED", True, read.flag, "true or false", "Record calls at all."),
    Setting("endpoint", "OTEL_EXPORTER_OTLP_ENDPOINT", None, str, "a URL",
            "Where OTLP goes. Without it, everything stays in the embedded store."),
    Setting("protocol", "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", read.word("http/protobuf", "grpc"),
            "http/protobuf or grpc", "How OTLP travels."),
    Setting("headers", "OTEL_EXPORTER_OTLP_HEADERS", None, str, "key=value,key=value",
            "Headers of every OTLP request, such as the backend's key."),
    Setting("service_name", "OTEL_SERVICE_NAME", None, str, "a name", "The name of the application in every backend."),
    Setting("capture", "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY", read.capture,
            "NO_CONTENT, SPAN_ONLY, EVENT_ONLY or SPAN_AND_EVENT", "Where prompts and answers are written."),
    Setting("capture_parts", "RLHF_OTEL_CAPTURE_PARTS", ("all",), read.parts,
            "all, none, names with commas of system, input, output, reasoning, tools, tool_calls, tool_results, media,"
            " error, context, comment, correction, metadata, or -name for all but it",
            "Which parts of calls and feedback are recorded."),
    Setting("capture_providers", "RLHF_OTEL_CAPTURE_PROVIDERS", ("all",), read.words, "names with commas, or all",
            "Of which providers prompts and answers are recorded, by `gen_ai.provider.name`; one with a minus before it"
            " is not."),
    Setting("store", "RLHF_OTEL_STORE", None, str, "a path or :memory:",
            f"The embedded store. Used when set, and at {DEFAULT_STORE} when no endpoint is."),
    Setting("retention_age", "RLHF_OTEL_RETENTION_AGE", None, read.age, "seconds, or 30d, 12h",
            "How long the embedded store keeps things; for ever where it is not set."),
    Setting("retention_bytes", "RLHF_OTEL_RETENTION_BYTES", None, read.count, "bytes",
            "How large the embedded store may grow. What nobody has rated goes first, and feedback last."),
    Setting("durability", "RLHF_OTEL_DURABILITY", "disk", read.word("memory", "disk", "sync"), "memory, disk or sync",
            "What survives a crash: nothing (and nothing is written to the disk), all but the last 20 ms, or every span"
            " that has ended."),
    Setting("spool", "RLHF_OTEL_SPOOL", DEFAULT_SPOOL, str, "a folder",
            "Where what is not delivered yet is written, with the durability disk or sync."),
    Setting("spool_bytes", "RLHF_OTEL_SPOOL_BYTES", 536_870_912, read.count, "bytes",
            "How much may be written there, by all processes; the oldest spans go beyond that, feedback last."),
    Setting("sample_rate", "RLHF_OTEL_SAMPLE_RATE", 1.0, read.share, "a share from 0 to 1",
            "The share of traces that is kept. Feedback is always kept, and so is a call that is rated soon."),
    Setting("hold_age", "RLHF_OTEL_HOLD_AGE", 600.0, read.age_or_none, "seconds, or 10m, 1h; 0 for not at all",
            "How long a call that was sampled out waits in memory for somebody to rate it, and so to be kept whole."),
    Setting("hold_bytes", "RLHF_OTEL_HOLD_BYTES", 67_108_864, read.count, "bytes",
            "How much of such calls may wait; the oldest is let go beyond that."),
    Setting("hold_for", "RLHF_OTEL_HOLD_FOR", ("human",), read.some_of("human", "signal", "program"),
            "human, signal and program, with commas",
            "Whose feedback keeps a call that was sampled out: people who say something, what they do, or a program."),
    Setting("review_before_submit", "RLHF_OTEL_REVIEW_BEFORE_SUBMIT", False, read.flag, "true or false",
            "Have calls and feedback wait, redacted, until a person approves them: `rlhf-otel review`."),
    Setting("review_age", "RLHF_OTEL_REVIEW_AGE", 2_592_000.0, read.age, "seconds, or 30d, 12h",
            "How long they may wait; what nobody has looked at by then is gone."),
    Setting("review_bytes", "RLHF_OTEL_REVIEW_BYTES", 268_435_456, read.count, "bytes",
            "How much may wait; the oldest is gone beyond that."),
    Setting("redact", "RLHF_OTEL_REDACT", True, read.flag, "true or false",
            "Replace secrets and what tells who somebody is before anything is stored or sent."),
    Setting("redact_rules", "RLHF_OTEL_REDACT_RULES", ("all",), read.words, "names with commas, or all",
            "Which built-in rules or groups of them hold (secrets, email, phone, iban, card, ip); one with a minus"
            " before it does not."),
    Setting("redact_file", "RLHF_OTEL_REDACT_FILE", None, str, "a file",
            "Rules of your own, in TOML: patterns, keys, paths, and what may stay."),
    Setting("redact_hash", "RLHF_OTEL_REDACT_HASH", False, read.flag, "true or false",
            "Put a keyed hash into placeholders, so that equal values can be told without being known."),
    Setting("redact_key", "RLHF_OTEL_REDACT_KEY", None, str, "a secret",
            "The key of these hashes. Without it, one made from the installation's key for tokens."),
    Setting("providers", "RLHF_OTEL_PROVIDERS", ("all",), read.words, "names with commas, or all",
            "Which client libraries to instrument."),
    Setting("provider_names", "RLHF_OTEL_PROVIDER_NAMES", None, read.names, "host=name,host=name",
            "What services are called, by host or host:port; * stands for anything. It beats what we know of a host."),
    Setting("metric_names", "RLHF_OTEL_METRIC_NAMES", "current", read.word("current", "next"), "current or next",
            "Which generation of the conventions' metric names to write."),
    Setting("inject_usage", "RLHF_OTEL_INJECT_USAGE", False, read.flag, "true or false",
            "Ask for the usage of OpenAI's streams where the application does not, and hide the chunk that brings it."),
    Setting("feedback_labels", "RLHF_OTEL_FEEDBACK_LABELS", ("user_feedback", "pass", "fail"), read.words,
            "words with commas", "Names and labels of feedback that metrics may carry; the rest counts as other."),
    Setting("feedback_as", "RLHF_OTEL_FEEDBACK_AS", ("event",), read.some_of("event", "carrier-span", "foundry"),
            "event, carrier-span, foundry, with commas",
            "How feedback is sent: as an event; as a span linked to the call, for backends of traces alone; as the "
            "event that Microsoft Foundry reads."),
    Setting("capture_interactions", "RLHF_OTEL_CAPTURE_INTERACTIONS", True, read.flag, "true or false",
            "Record calls; without them feedback on the calls of others is still taken."),
    Setting("capture_feedback", "RLHF_OTEL_CAPTURE_FEEDBACK", True, read.flag, "true or false", "Take feedback."),
    Setting("capture_metrics", "RLHF_OTEL_CAPTURE_METRICS", True, read.flag, "true or false", "Measure."),
    Setting("capture_errors", "RLHF_OTEL_CAPTURE_ERRORS", True, read.flag, "true or false",
            "Record what went wrong with a call: type, message and status code. That it failed is recorded anyway."),
    Setting("collect_context", "RLHF_OTEL_COLLECT_CONTEXT", True, read.flag, "true or false",
            "Attach what `rlhf.context` was given, and an anonymous user where it was given none."),
    Setting("environment", "RLHF_OTEL_ENVIRONMENT", None, str, "a name",
            "Where the application runs, such as production: `deployment.environment.name` of the resource."),
    Setting("app_version", "RLHF_OTEL_APP_VERSION", None, str, "a version",
            "The application's version: `service.version` of the resource."),
    Setting("signals", "RLHF_OTEL_SIGNALS", True, read.flag, "true or false",
            "Take implicit signals: those that the application reports and those that are detected."),
    Setting("detect_signals", "RLHF_OTEL_DETECT_SIGNALS", True, read.flag, "true or false",
            "Detect the signals continue and regenerate in the conversations that are recorded."),
    Setting("signal_scores", "RLHF_OTEL_SIGNAL_SCORES", None, read.scores,
            "signal=score,signal=score; none for no score",
            "How good a signal is, from 0 to 1, where that is not the default."),
    Setting("ask_every", "RLHF_OTEL_ASK_EVERY", DEFAULT_ASK_EVERY, read.amount, "a count, 0 for never",
            "After how many answers of a session `feedback.should_ask` says yes."),
    Setting("token_key", "RLHF_OTEL_TOKEN_KEY", None, str, "a secret, or several with commas, the newest first",
            "Signs feedback tokens. Without it, a key file beside the store, which only its owner can read."),
    Setting("exit_timeout", "RLHF_OTEL_EXIT_TIMEOUT", 3.0, read.positive, "seconds",
            "The longest that the end of the process waits for the backend; by default not for a single request that"
            " takes longer than 0.8 s, where the spool keeps what is not delivered."),
    Setting("max_attribute_bytes", "RLHF_OTEL_MAX_ATTRIBUTE_BYTES", 0, read.amount, "bytes, 0 for no limit",
            "The longest that one attribute of message content may be; a longer one is cut and says so."),
    Setting("unset_consent", "RLHF_OTEL_UNSET_CONSENT", "none", read.word("train", "eval", "none"),
            "train, eval or none",
            "What `rlhf-otel export` takes for consent on calls of which nobody said anything."),
    Setting("log_level", "RLHF_OTEL_LOG_LEVEL", None, read.word("debug", "info", "warning", "error"),
            "debug, info, warning or error", "Print our own log to stderr from this level on."),
    Setting("queue_size", "OTEL_BSP_MAX_QUEUE_SIZE", 32_768, read.count, "a count",
            "How many ended spans may wait for the export thread."),
    Setting("queue_bytes", "RLHF_OTEL_QUEUE_BYTES", 268_435_456, read.count, "bytes",
            "How much content may wait for the export thread, and again for each backend; the oldest is dropped beyond"
            " that, feedback last."),
    Setting("max_export_bytes", "RLHF_OTEL_MAX_EXPORT_BYTES", 4_194_304, read.count, "bytes",
            "How large one OTLP request may be; what is larger by itself goes alone, and is cut where the backend"
            " refuses it as too large."),
    Setting("batch_size", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512, read.count, "a count",
            "How many spans go out at once."),
    Setting("batch_delay_ms", "OTEL_BSP_SCHEDULE_DELAY", 500.0, read.positive, "milliseconds",
            "How long the first span of a batch waits for company."),
    Setting("feedback_queue_size", "OTEL_BLRP_MAX_QUEUE_SIZE", 32_768, read.count, "a count",
            "How many feedback events may wait for the export thread."),
    Setting("feedback_batch_size", "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", 512, read.count, "a count",
            "How many feedback events go out at once."),
    Setting("feedback_batch_delay_ms", "OTEL_BLRP_SCHEDULE_DELAY", 500.0, read.positive, "milliseconds",
            "How long the first feedback event of a batch waits for company."),
    Setting("server_token", "RLHF_OTEL_SERVER_TOKEN", None, str, "a secret",
            "A token of the role admin for `rlhf-otel serve`, beside those that `rlhf-otel token create` makes. It must"
            " have one to listen beyond this machine, and then takes OTLP with a token alone."),
    Setting("server_hosts", "RLHF_OTEL_SERVER_HOSTS", (), read.words, "names with commas",
            "Host names by which `rlhf-otel serve` may be called, beside addresses and localhost; not asked where there"
            " is a token."),
    Setting("server_max_bytes", "RLHF_OTEL_SERVER_MAX_BYTES", 67_108_864, read.count, "bytes",
            "The largest request that `rlhf-otel serve` takes, compressed or not."),
    Setting("server_waiting_bytes", "RLHF_OTEL_SERVER_WAITING_BYTES", 134_217_728, read.count, "bytes",
            "How much `rlhf-otel serve` holds that is not yet written; beyond that, clients are told to come again."),
    Setting("server_inbox_bytes", "RLHF_OTEL_SERVER_INBOX_BYTES", 268_435_456, read.count, "bytes",
            "How much `rlhf-otel serve` may keep in the store as it came, to take it apart when the rush is over."),
    Setting("server_patience", "RLHF_OTEL_SERVER_PATIENCE", 10.0, read.positive, "seconds",
            "How long a client may take to send the head of a request, or to begin with its body."),
    Setting("server_session", "RLHF_OTEL_SERVER_SESSION", 43_200.0, read.age, "seconds, or 30d, 12h",
            "How long a browser stays logged in to `rlhf-otel serve`."),
    Setting("server_rate", "RLHF_OTEL_SERVER_RATE", 3000, read.count, "a count",
            "How many pages and answers of its API `rlhf-otel serve` gives somebody in a minute."),
    Setting("server_tls_cert", "RLHF_OTEL_SERVER_TLS_CERT", None, str, "a file",
            "The certificate with which `rlhf-otel serve` speaks TLS, in PEM, with those that lead to a trusted one."),
    Setting("server_tls_key", "RLHF_OTEL_SERVER_TLS_KEY", None, str, "a file", "Its private key, in PEM."),
    Setting("server_feedback_per_token", "RLHF_OTEL_SERVER_FEEDBACK_PER_TOKEN", 20, read.amount, "a count, 0 for any",
            "How often a minute `rlhf-otel serve` takes feedback with one token of a call."),
    Setting("server_feedback_per_address", "RLHF_OTEL_SERVER_FEEDBACK_PER_ADDRESS", 60, read.amount,
            "a count, 0 for any", "The same from one address, by whatever tokens; not asked of who may rate anything."),
)  # fmt: skip
BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS}

# Switches of other instrumentations that say "no content"; we honour them, so that one switch is enough.
PEER_OFF_SWITCHES: Mapping[str, str] = {
    "TRACELOOP_TRACE_CONTENT": "false",
    "OPENINFERENCE_HIDE_INPUTS": "true",
    "OPENINFERENCE_HIDE_OUTPUTS": "true",
}


@dataclass(frozen=True, slots=True)
class Value:
    """An effective value and its source: argument, environment, file or default."""

    value: Any
    source: str


@dataclass(frozen=True)
class Config:
    """The effective settings, one attribute each by the names in `SETTINGS`; `values` has their sources."""

    values: Mapping[str, Value]

    def __getattr__(self, name: str) -> Any:
        # Not `self.values`: a copy has none yet when it is asked for its methods.
        try:
            return self.__dict__["values"][name].value
        except KeyError:
            raise AttributeError(name) from None

    @property
    def captures_content(self) -> bool:
        """Whether any signal may carry prompts and answers."""
        return bool(self.capture != "NO_CONTENT")

    def is_set(self, name: str) -> bool:
        """Whether somebody chose the value, rather than the default."""
        return self.values[name].source != "default"


def load(
    arguments: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    problems: list[tuple[str, ConfigError]] | None = None,
) -> Config:
    """The effective settings.

    Args:
        arguments: what code passed, by setting name; None values count as not passed.
        environ: stands for `os.environ`.
        problems: takes what would be raised, with where it comes from; the defaults stand in for what is wrong.

    Raises:
        ConfigError: a value is of the wrong kind, or a name is unknown.
    """
    environ = os.environ if environ is None else environ
    given = {name: value for name, value in (arguments or {}).items() if value is not None}
    path, file = "", cast("Mapping[str, Any]", {})
    with _told(problems, "rlhf-otel.toml or pyproject.toml"):
        path, file = _file()
    for name, source in [*((name, "an argument") for name in given), *((name, path) for name in file)]:
        if name in BY_NAME:
            continue
        with _told(problems, source):
            raise ConfigError(
                f"there is no setting {name!r} (from {source}){_nearest(name)}; `rlhf-otel config` lists all",
                by_code=name in given,
            )
    values = {setting.name: Value(setting.default, "default") for setting in SETTINGS}
    for setting in SETTINGS:
        source = "argument" if setting.name in given else setting.env if environ.get(setting.env) else path
        with _told(problems, source):
            values[setting.name] = _resolve(setting, given, environ, file, path)
    values["capture"] = _with_peer_switches(values["capture"], environ)
    return Config(values)


@contextlib.contextmanager
def _told(problems: list[tuple[str, ConfigError]] | None, source: str) -> Iterator[None]:
    """Adds an error to `problems`, or lets it go its way where there are none to add to."""
    try:
        yield
    except ConfigError as error:
        if problems is None:
            raise
        problems.append((source, error))


def headers_are_wrong(headers: str | None) -> bool:
    """Whether a part of `headers` is no key=value. It may be a secret without a name, and so is never printed."""
    parts = [part.strip() for part in (headers or "").split(",")]
    return any(part and ("=" not in part or part.startswith("=")) for part in parts)


def endpoint_fault(endpoint: str | None, protocol: str) -> str:
    """What is wrong with an endpoint, in a sentence; empty where nothing is. Over grpc it may go without a scheme."""
    if not endpoint or protocol == "grpc" or endpoint.lower().startswith(("http://", "https://")):
        return ""
    if "://" not in endpoint and (":" in endpoint or "." in endpoint):
        return f"the endpoint {endpoint} has no scheme; did you mean http://{endpoint}?"
    return f"the endpoint {endpoint} is no URL of the kind http://localhost:4318"


def _nearest(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, BY_NAME, 1)
    return f", did you mean {near[0]!r}?" if near else ""


def _resolve(
    setting: Setting, given: Mapping[str, Any], environ: Mapping[str, str], file: Mapping[str, Any], path: str
) -> Value:
    if setting.name in given:
        return Value(_parsed(setting, given[setting.name], "argument"), "argument")
    if environ.get(setting.env, "") != "":
        return Value(_parsed(setting, environ[setting.env], setting.env), setting.env)
    if setting.name in file:
        return Value(_parsed(setting, file[setting.name], path), path)
    return Value(setting.default, "default")


def _parsed(setting: Setting, raw: Any, source: str) -> Any:
    if isinstance(raw, Mapping):
        from urllib.parse import quote

        raw = ",".join(f"{key}={quote(str(value), safe='')}" for key, value in raw.items())
    elif isinstance(raw, list | tuple):
        raw = ",".join(map(str, raw))
    try:
        return setting.parse(raw if isinstance(raw, str) else str(raw))
    except (ValueError, OverflowError):
        message = f"{setting.name} is {raw!r} (from {source}); it takes {setting.takes}"
        raise ConfigError(message, by_code=source == "argument") from None


def _with_peer_switches(capture: Value, environ: Mapping[str, str]) -> Value:
    if capture.source != "default":
        return capture
    for name, off in PEER_OFF_SWITCHES.items():
        if environ.get(name, "").strip().lower() == off:
            return Value("NO_CONTENT", name)
    return capture


def _file() -> tuple[str, Mapping[str, Any]]:
    """The file of the working directory and its settings; an empty one where there is none."""
    for name, table in (("rlhf-otel.toml", ()), ("pyproject.toml", ("tool", "rlhf-otel"))):
        path = Path(name)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        if table and "[tool.rlhf-otel]" not in text:
            continue
        return name, _table(name, text, table)
    return "", {}


def _table(name: str, text: str, keys: tuple[str, ...]) -> Mapping[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        content: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name} is not valid TOML: {error}") from None
    for key in keys:
        content = content.get(key, {})
    return content if isinstance(content, Mapping) else {}
