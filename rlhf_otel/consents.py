"""What people have said in this process of their conversations as a whole: consent, and that they do not take part."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Literal

from rlhf_otel import hooks
from rlhf_otel.records import Consent

CONSENTS: Final[tuple[Consent, ...]] = ("none", "eval", "train")
"""From the most restrictive to the least."""
SubjectKind = Literal["session", "user"]
Subject = tuple[SubjectKind, str]
_REMEMBERED = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A person's word on all calls of a session, or all that are theirs: earlier ones and later ones."""

    consent: Consent
    time_ns: int
    session: str | None = None
    user: str | None = None


def checked(consent: str) -> Consent:
    """`consent`, one of the three words.

    Raises:
        ValueError: it is none of them.
    """
    if consent not in CONSENTS:
        raise ValueError(f"consent is {consent!r}; it is one of {', '.join(reversed(CONSENTS))}")
    return consent


def narrowest(consents: Iterable[Consent | None]) -> Consent | None:
    """The most restrictive of `consents`; None where there is none."""
    given = [consent for consent in consents if consent is not None]
    return min(given, key=CONSENTS.index, default=None)


def subjects(session: str | None, user: str | None) -> list[Subject]:
    """What a call or a feedback belongs to."""
    named: tuple[tuple[SubjectKind, str | None], ...] = (("session", session), ("user", user))
    return [(kind, name) for kind, name in named if name]


class Consents:
    """What is remembered. Safe to share between threads."""

    def __init__(self) -> None:
        self._said: OrderedDict[Subject, Consent] = OrderedDict()
        # For good: who does not take part must not be forgotten. Hashes, as they are small and are nobody's names.
        self._out: set[bytes] = set()
        self._renew_lock()
        hooks.after_fork(self._renew_lock)

    def _renew_lock(self) -> None:
        self._lock = threading.RLock()

    def say(self, statement: Statement) -> None:
        """Takes a statement, which holds for the calls that are made from now on."""
        with self._lock:
            for subject in subjects(statement.session, statement.user):
                self._said[subject] = statement.consent
                self._said.move_to_end(subject)
                if len(self._said) > _REMEMBERED:
                    self._said.popitem(last=False)

    def of(self, session: str | None, user: str | None, given: Consent | None) -> Consent | None:
        """What holds for a call of which the application says `given`: that never widens what a person has said."""
        if not self._said:
            return given
        return narrowest([given, *(self._said.get(subject) for subject in subjects(session, user))])

    def take_out(self, session: str | None, user: str | None, *, is_out: bool) -> None:
        """Whoever is named does not take part any more, or does again."""
        from rlhf_otel.token import rater_hash

        by_token = rater_hash(user) if user else None  # what a vote by a token counts as that names nobody
        for subject in (*subjects(session, user), *subjects(None, by_token)):
            (self._out.add if is_out else self._out.discard)(_hashed(subject))

    def are_out(self, session: str | None, user: str | None) -> bool:
        """Whether the session or the user does not take part."""
        return bool(self._out) and any(_hashed(subject) in self._out for subject in subjects(session, user))

    def forget(self) -> None:
        """What was said of consent; not who does not take part."""
        with self._lock:
            self._said.clear()


def _hashed(subject: Subject) -> bytes:
    return blake2b("\0".join(subject).encode("utf-8", "surrogatepass"), digest_size=16).digest()


process = Consents()
