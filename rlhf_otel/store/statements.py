"""What people have said of whole conversations, applied to the calls in them when they are read.

Of each session, and of each person, the latest statement counts. One that came after a call says what holds for it,
wider or narrower than what the application had said; one that came before it can only narrow that.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rlhf_otel.consents import CONSENTS, narrowest, subjects
from rlhf_otel.semconv import CONSENT, CONSENT_EVENT, ENDUSER_ID, SESSION_ID
from rlhf_otel.store.sql import query
from rlhf_otel.store.tombstones import Tombstones

if TYPE_CHECKING:
    import sqlite3

    from rlhf_otel.consents import Subject
    from rlhf_otel.otel_records import LogRecord
    from rlhf_otel.records import Consent, Interaction

_Said = tuple[int, "Consent"]


class Statements:
    """Those of a store, within one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._names = Tombstones(connection)
        self._any = connection.execute(query("consent_any")).fetchone() is not None
        self._found: dict[Subject, _Said | None] = {}

    def applied(self, interaction: Interaction) -> Interaction:
        """`interaction` with the consent that holds for it now."""
        if not self._any:
            return interaction
        told = [self._latest(subject) for subject in subjects(interaction.session, interaction.user)]
        said = [each for each in told if each is not None]
        later = [consent for time_ns, consent in said if time_ns >= interaction.start_ns]
        earlier = [consent for time_ns, consent in said if time_ns < interaction.start_ns]
        consent = narrowest([*earlier, narrowest(later) or interaction.consent])
        return interaction if consent == interaction.consent else replace(interaction, consent=consent)

    def add(self, log: LogRecord, number: int) -> None:
        """Keeps what the event in the row `number` of `log` says, where it says anything."""
        consent = log.attributes.get(CONSENT)
        if log.event_name != CONSENT_EVENT or consent not in CONSENTS:
            return
        session, user = (log.attributes.get(name) for name in (SESSION_ID, ENDUSER_ID))
        for subject in subjects(*(name if isinstance(name, str) else None for name in (session, user))):
            told = {"hash": self._names.hash(*subject), "time_ns": log.time_ns, "log": number, "consent": consent}
            self._connection.execute(query("consent_add"), told)

    def _latest(self, subject: Subject) -> _Said | None:
        if subject not in self._found:
            row = self._connection.execute(query("consent_latest"), (self._names.hash(*subject),)).fetchone()
            self._found[subject] = None if row is None else (row["time_ns"], row["consent"])
        return self._found[subject]
