"""What prompts are about, for who has no word for it: topics found by the words that come together, and named by them.

TF-IDF, its strongest directions, and k-means, all by scikit-learn, learned from as many prompts as fit into memory with
ease and then asked about all of them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from itertools import islice
from typing import Any, Final

from rlhf_otel.datasets.recipe import RecipeError

LEARNED_FROM: Final = 20_000
LONGEST: Final = 2000
"""Characters from the end of a prompt: there the question is."""
_AT_ONCE: Final = 2000
_WORDS_IN_NAME: Final = 3
_DIRECTIONS: Final = 50


class Topics:
    """Tells prompts apart by what they are about.

    Args:
        examples: prompts to learn from, of which the first `LEARNED_FROM` are read.
        count: how many topics, at most.

    Raises:
        RecipeError: scikit-learn is not installed.
    """

    def __init__(self, examples: Iterable[str], count: int) -> None:
        text, decomposition, cluster = (
            _needed(name) for name in ("feature_extraction.text", "decomposition", "cluster")
        )
        texts = [each[-LONGEST:] for each in islice(examples, LEARNED_FROM)]
        self._words = text.TfidfVectorizer(sublinear_tf=True, max_df=0.5, max_features=20_000, token_pattern=r"\w\w\w+")
        self._names: Sequence[str] = ()
        try:
            weights = self._words.fit_transform(texts)
        except ValueError:  # there is no word that some have and most do not
            return
        directions = min(_DIRECTIONS, *(side - 1 for side in weights.shape))
        if directions < 1:
            return
        self._directions = decomposition.TruncatedSVD(directions, random_state=0)
        points = self._directions.fit_transform(weights)
        self._clusters = cluster.KMeans(min(count, len(set(texts))), random_state=0, n_init=4)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that there are fewer topics than asked for is no fault
            self._names = self._named(weights, self._clusters.fit_predict(points))

    def of(self, prompts: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        """The topic of each prompt, with its number; nothing where there is too little to learn from."""
        waiting = iter(prompts)
        while self._names and (some := list(islice(waiting, _AT_ONCE))):
            points = self._directions.transform(self._words.transform([text[-LONGEST:] for _, text in some]))
            found = self._clusters.predict(points)
            yield from ((number, self._names[topic]) for (number, _), topic in zip(some, found, strict=True))

    def _named(self, weights: Any, topics: Any) -> list[str]:
        """Each topic by the words that weigh most in it."""
        words = self._words.get_feature_names_out()
        made = []
        for topic in range(self._clusters.n_clusters):
            sums = list(weights[topics == topic].sum(axis=0).flat)
            strongest = sorted(range(len(words)), key=lambda place: (-sums[place], place))
            made.append(" ".join(words[place] for place in strongest[:_WORDS_IN_NAME]))
        return made


def _needed(module: str) -> Any:
    try:
        return import_module(f"sklearn.{module}")
    except ImportError:
        raise RecipeError("topics are found by scikit-learn: pip install 'rlhf-otel[learn]'") from None
