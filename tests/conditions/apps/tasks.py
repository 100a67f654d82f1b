"""A celery application whose tasks ask a model; once the worker is up, it is given the tasks of `PROMPTS`."""

from __future__ import annotations

import os

import openai
from celery import Celery
from celery.signals import worker_ready

app = Celery("tasks", broker="filesystem://")
app.conf.broker_transport_options = {
    "data_folder_in": "queue",
    "data_folder_out": "queue",
    "control_folder": "control",
    "polling_interval": 0.02,
}
app.conf.broker_connection_retry_on_startup = False
client = openai.OpenAI(max_retries=0)


@app.task
def ask(prompt):
    """One call to a model."""
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": prompt}])


@worker_ready.connect
def begin(**_):
    """Fills the queue."""
    for prompt in os.environ["PROMPTS"].split(","):
        ask.delay(prompt)
