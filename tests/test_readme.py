"""The README's tables are those of the code."""

import re
from pathlib import Path

from deployments.settings import Settings
from flows.cli.labels import labels
from flows.cli.main import app
from flows.cli.models import models

README = Path(__file__).parent.parent / "README.md"


def test_every_variable_stands_in_the_readme_as_the_code_has_it():
    text = README.read_text()
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        assert f"| `DARKROOM_{name.upper()}` | {default} | {field.description} |" in text


def test_every_picture_and_page_it_leads_to_is_there():
    for place in re.findall(r"\]\(([^)#:]+)\)", README.read_text()):
        assert (README.parent / place).exists(), place


def test_every_command_stands_in_the_readme():
    text = README.read_text()
    commands = [name for name in app if not name.startswith("-")]
    for name in models:
        assert name.startswith("-") or re.search(rf"`darkroom models [^`]*\b{name}\b", text), name
    for name in labels:
        assert name.startswith("-") or re.search(rf"`darkroom labels [^`]*\b{name}\b", text), name
    assert "up" in commands
    for name in commands:
        assert f"| `darkroom {name}" in text
