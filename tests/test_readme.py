"""What README and docs say of commands, options and variables is what the code has."""

import re
import shlex
from pathlib import Path

import pytest

from deployments.settings import Settings
from flows.cli.labels import labels
from flows.cli.main import app
from flows.cli.models import models

README = Path(__file__).parent.parent / "README.md"
DEPLOYMENTS = README.parent / "deployments" / "README.md"
PAGES = [README, *README.parent.glob("docs/*.md"), DEPLOYMENTS]
OF_OTHERS = {  # of every command, of pip and of uv
    *("--help", "--install-completion"),
    *("--no-deps", "--require-hashes", "--disable-pip", "--wheel"),
}


def test_every_variable_stands_in_the_table_as_the_code_has_it():
    text = DEPLOYMENTS.read_text()
    assert "| variable | default | what |\n|---|---|---|\n| `DARKROOM_HOME`" in text
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        assert f"| `DARKROOM_{name.upper()}` | {default} | {field.description} |" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(README.parent)))
def test_every_picture_page_and_heading_it_leads_to_is_there(page: Path):
    for place, heading in re.findall(r"\]\(([^)#:]+)(?:#([^)]*))?\)", page.read_text()):
        target = page.parent / place
        assert target.exists(), place
        if heading:
            titles = re.findall(r"^#+ (.*)", target.read_text(), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def test_command_lines_are_such_as_the_commands_take():
    text = "".join(page.read_text() for page in PAGES)
    blocks = "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    lines = re.findall(r"^ *(?:[A-Z_]+=\S+ )*darkroom (.*)", blocks, re.MULTILINE)
    assert len(lines) > 5
    for line in lines:
        app.parse_args(shlex.split(line, comments=True), exit_on_error=False, print_error=False)


def test_every_option_is_one_of_a_command():
    commands = [app[name] for name in app if not name.startswith("-")]
    commands += [group[name] for group in (models, labels) for name in group if not name.startswith("-")]
    arguments = [command.assemble_argument_collection() for command in commands if command.default_command]
    options = {name for collection in arguments for argument in collection for name in argument.names}
    text = "".join(page.read_text() for page in PAGES if page != DEPLOYMENTS)  # which has others'
    named = set(re.findall(r"(?<![\w-])--[a-z][\w.-]*\w", text))
    assert named - options - OF_OTHERS == set()


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
