"""Feedback as annotations in the backends of others, which take spans by OTLP and votes only by APIs of their own.

`annotations.py` says what there should be, `phoenix.py` and `langfuse.py` speak to one backend each, and `pushing.py`
brings a backend to that state.
"""
