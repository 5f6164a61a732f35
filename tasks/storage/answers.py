"""The layout of what people answered: <store>/labels/ (see `tasks.storage.runs`)."""

from tasks.storage.urls import absolute, join


def answers_url(store: str) -> str:
    return join(absolute(store), "labels")


def announced_url(store: str) -> str:
    """How many answers there were when they were last announced to the Prefect server."""
    return join(answers_url(store), "announced.json")


def answers_entry_url(store: str, name: str) -> str:
    return join(answers_url(store), f"{name}.json")


def answer_parts_url(store: str) -> str:
    """Parts of many entries each, which were files of their own before."""
    return join(answers_url(store), "parts")


def answer_part_url(store: str, name: str) -> str:
    return join(answer_parts_url(store), name)


def kept_images_url(store: str) -> str:
    """Copies of images that people labelled in an inbox."""
    return join(answers_url(store), "images")
