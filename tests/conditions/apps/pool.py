"""A program that has its questions asked by child processes of one start method, given as its argument."""

from __future__ import annotations

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor


def ask(prompt):
    """One call to a model, in whatever process; the client library is imported where it is first needed."""
    import openai

    if "BY_HAND" in os.environ:
        import rlhf_otel

        rlhf_otel.instrument()
    with openai.OpenAI(max_retries=0) as client:
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": prompt}])


if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    child = context.Process(target=ask, args=("process",))
    child.start()
    child.join()
    assert child.exitcode == 0
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        executor.submit(ask, "executor").result()
    with context.Pool(1) as pool:
        pool.map(ask, ["pool"])
        pool.close()
        pool.join()
