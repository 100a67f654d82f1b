"""One purge: the store, the spool, the datasets, and what is left to be said of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rlhf_otel.cli.common import Problem, printable, refuse_memory, store_path
from rlhf_otel.cli.subjects import known
from rlhf_otel.cli.who import operator
from rlhf_otel.config import load

if TYPE_CHECKING:
    from rlhf_otel.export.spool.erasing import Cover
    from rlhf_otel.store import Store
    from rlhf_otel.store.tombstones import Subject

EXPORTS: Final = ("list", "rewrite", "delete")
"""What may become of datasets."""
_BECAME: Final = {"list": "stale", "rewrite": "rewritten", "delete": "deleted"}
_REMOVED: Final = ("calls", "spans", "logs", "points", "feedback", "messages")


@dataclass
class Report:
    """What came of it.

    Attributes:
        kind: of what was erased; which one it was is not repeated.
        feedback_only: whether only feedback was.
        tombstone: the hash by which it is refused from now on; empty where there is no store.
        removed: how many rows of each kind the store had.
        spool: how many items the spool had, and how many wait for processes that live to erase them.
        review: how many waited to be approved.
        datasets: those with rows that rest on it, and what was done.
        models: those that were trained on such datasets.
        unread: bytes that `rlhf-otel serve` has received and not taken apart yet.
        log_kept: somebody reads the store without end, so its log could not be emptied.
        still_in: files in which the id stands all the same.
    """

    kind: str
    feedback_only: bool
    tombstone: str = ""
    removed: dict[str, int] = field(default_factory=dict)
    spool: dict[str, int] = field(default_factory=dict)
    review: int = 0
    datasets: list[dict[str, Any]] = field(default_factory=list)
    models: list[dict[str, Any]] = field(default_factory=list)
    unread: int = 0
    log_kept: bool = False
    still_in: list[str] = field(default_factory=list)


class Purging:
    """One purge; a context manager that has the store open.

    Args:
        store: as it was given.
        subject: what goes.
        feedback_only: only feedback.
        exports: list, rewrite or delete.
        folders: where datasets are.
        spool: as it was given.
        in_advance: whether it may be unknown.
    """

    def __init__(
        self, store: str | None, subject: Subject, *, feedback_only: bool, exports: str, folders: tuple[Path, ...],
        spool: str | None, in_advance: bool,
    ) -> None:  # fmt: skip
        config = load({"store": store, "spool": spool})
        self._config = config
        self._path = Path(store_path(config)).expanduser()
        self._spool = Path(config.spool).expanduser().absolute()
        self._subject = subject
        self._exports = exports
        self._folders = folders or (Path(),)
        self._in_advance = in_advance
        self._store: Store | None = None
        self._known: set[tuple[str, str]] = set()
        self.report = Report(subject.kind, feedback_only)

    def __enter__(self) -> Purging:
        from rlhf_otel.export.review.queue import path_of
        from rlhf_otel.store import Store, StoreError
        from rlhf_otel.store.inbox import read_in_at

        refuse_memory(self._path)
        if self._path.exists():
            try:
                self._store = Store.open(self._path)
                read_in_at(str(self._path), 1.0)
            except StoreError as error:
                self.__exit__()
                raise Problem(str(error)) from None
        elif not (self._spool.is_dir() or path_of(self._config).exists()):
            raise Problem(f"there is no store at {self._path} and no spool at {self._spool}; name one with --store")
        return self

    def __exit__(self, *_: object) -> None:
        if self._store is not None:
            self._store.close()

    def look(self) -> None:
        """Finds out what there is.

        Raises:
            Problem: nothing.
        """
        found = self._found()
        waiting = self._in_spool(dry_run=True)
        if not (found or waiting or self._in_advance or self._was_erased()):
            raise Problem(
                f"nothing is known of the {self._subject.kind} {printable(self._subject.id)!r}. Ids are taken as they "
                "are, without wildcards. To refuse what may still come: --in-advance"
            )
        self._look_at_datasets("list", lambda kind, name: (kind, name) in self._known)

    def run(self) -> None:
        """Erases.

        Raises:
            Problem: it stopped on the way; once more does the rest.
        """
        from rlhf_otel.store import StoreError

        try:
            self._erase()
        except StoreError as error:
            raise Problem(f"stopped: {error}. What was erased is refused from now on; the same command once more does "
                          "the rest") from None  # fmt: skip

    def _found(self) -> bool:
        from rlhf_otel.store import StoreError
        from rlhf_otel.store.erasing import Erasing

        if self._store is None:
            return False
        try:
            found = Erasing(self._store, self._subject, feedback_only=self.report.feedback_only).found()
        except StoreError as error:
            raise Problem(str(error)) from None
        names = ("feedback",) if self.report.feedback_only else _REMOVED[:-1]
        self.report.removed = {name: len(getattr(found, name)) for name in names}
        self._known = {("feedback", each.id) for each in found.feedback.values()}
        self._known |= set() if self.report.feedback_only else set(found.ids)
        return any(self.report.removed.values())

    def _was_erased(self) -> bool:
        from rlhf_otel.store.erasing import tombstone_of

        return self._store is not None and tombstone_of(self._store, self._subject) is not None

    def _erase(self) -> None:
        from rlhf_otel.store.erasing import Erasing, clean, insist, is_erased, tombstone_of

        laid_ns, asked, named = time.time_ns(), None, True
        if self._store is not None:
            erasing = Erasing(self._store, self._subject, feedback_only=self.report.feedback_only)
            what: dict[str, Any] = {
                "kind": self._subject.kind,
                "feedback_only": self.report.feedback_only,
                "exports": self._exports,
            }
            what |= self.report.removed
            insist(partial(self._store.audit, "erase", what, who=operator()))
            self.report.removed = dict(zip(_REMOVED, erasing.run(), strict=True))
            stone = tombstone_of(self._store, self._subject, feedback_only=self.report.feedback_only)
            if stone is not None:
                self.report.tombstone, laid_ns = stone.hash, stone.laid_ns
            self.report.unread, named = erasing.unread, erasing.named
            asked = is_erased(self._store, erasing.tombstone)
        self._in_spool(laid_ns=laid_ns, asked=asked)
        if asked is not None:
            self._look_at_datasets(self._exports, asked)
        if self._store is not None:
            self.report.log_kept = not clean(self._store, named=named)

    def _in_spool(self, *, laid_ns: int = 0, asked: Any = None, dry_run: bool = False) -> int:
        """Erases from the spool, or counts; how many items are concerned."""
        from rlhf_otel.export.spool.erasing import Cover, ask, erase

        cover = Cover(
            lambda kind, name: (kind, name) == self._subject, laid_ns or time.time_ns(),
            feedback_only=self.report.feedback_only, is_erased=asked or (lambda kind, name: False),
        )  # fmt: skip
        self._in_review(cover, dry_run=dry_run)
        if not self._spool.is_dir():
            return self.report.review
        if not dry_run:
            ask(self._spool, self._subject, laid_ns, feedback_only=self.report.feedback_only)
        done = erase(self._spool, cover, self._subject.id.encode("utf-8", "surrogatepass"), dry_run=dry_run)
        self.report.spool = done._asdict()
        return done.items + done.left + self.report.review

    def _in_review(self, cover: Cover, *, dry_run: bool) -> None:
        from rlhf_otel.export.review.queue import Queue, path_of
        from rlhf_otel.export.spool.erasing import in_review

        path = path_of(self._config)
        if not path.exists():
            return
        queue = Queue(path, self._config.review_bytes, self._config.review_age)
        found = [row.id for row, _ in in_review(queue, cover)]
        self.report.review = len(found)
        if not dry_run:
            queue.remove(found)
        queue.rest()

    def _look_at_datasets(self, exports: str, asked: Callable[[str, str], bool]) -> None:
        """Does with datasets what was asked for.

        Raises:
            Problem: one of them cannot be written.
        """
        from rlhf_otel.datasets import RecipeError, WriteError, catalog, erasing

        resting: dict[Path, Any] = {}
        self.report.datasets = []
        try:
            for dataset in (each for folder in self._folders for each in catalog.below(folder)):
                places = erasing.resting_on(dataset, asked)
                if places or "erased" in dataset.manifest:
                    resting[dataset.path.resolve()] = None if places else dataset.manifest.get("files")
                if places and exports == "rewrite":
                    erasing.without(dataset, places, self._subject.id)
                if places and exports == "delete":
                    erasing.delete(dataset)
                if places:
                    told = {"path": str(dataset.path), "rows": len(places), "is": _BECAME[exports]}
                    self.report.datasets.append(told)
        except (WriteError, RecipeError) as error:
            raise Problem(str(error)) from None
        found = (each for folder in self._folders for each in erasing.models_below(folder, resting))
        self.report.models = [{"path": str(each.path), "datasets": list(map(str, each.datasets))} for each in found]

    def look_for_the_id(self) -> None:
        """Looks into every byte of the store and the spool; not for a short id, which stands anywhere by chance."""
        from rlhf_otel.store.erasing import SHORTEST

        needle = self._subject.id.encode("utf-8", "surrogatepass")
        if len(needle) < SHORTEST or self.report.feedback_only:
            return
        files = [
            *self._path.parent.glob(f"{self._path.name}*"),
            *self._spool.glob("*"),
            *self._path.parent.glob("review.db*"),
        ]
        self.report.still_in = [str(path) for path in files if path.is_file() and known(path, needle)]
