"""Names of files: made safe to join into a path, and made text where they are not UTF-8."""

import re

from tasks.errors import InputError

LONGEST_NAME = 255  # bytes, of nearly all filesystems
ESCAPE = re.compile(r"\\udc(5c|[89a-f][0-9a-f])")  # a backslash, or a byte that is not ASCII
FORMULA = "'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]"  # how a cell of a spreadsheet begins that is calculated
SURROGATE = re.compile(r"[\udc80-\udcff]")


def is_plain_name(name: str) -> bool:
    """Whether a text can name one file or folder in another: no separator, not `.`, `..` or empty."""
    is_path = "/" in name or "\0" in name
    return bool(name) and not is_path and name not in (".", "..") and len(_bytes_of(name)) <= LONGEST_NAME


def plain_name(name: str, what: str) -> str:
    """The name itself. Raises InputError unless it is plain, so that no path leads out of its folder.

    what: whose name it is, for the message.
    """
    if not isinstance(name, str) or not is_plain_name(name):
        raise InputError(f"{what} must be a plain name, without `/` and not `..`. Received: {name!r}.")
    return name


def escape(name: str) -> str:
    r"""A name from the disk as text that can be written anywhere; `unescape` gives it back.

    Names in UTF-8 stay what they are. In others each byte that is not UTF-8 becomes `\udc` and two digits,
    and so does the backslash of a name that holds such a text by itself.
    """
    if not SURROGATE.search(name) and not ESCAPE.search(name):
        return name
    return SURROGATE.sub(lambda match: f"\\udc{ord(match[0]) - 0xDC00:02x}", name.replace("\\", r"\udc5c"))


def unescape(path: str) -> str:
    """A path of names that `escape` made, as the disk has it."""
    return ESCAPE.sub(_byte, path) if "\\udc" in path else path


def as_cell(text: str) -> str:
    """Text that a spreadsheet takes for text, not for a formula: what begins as FORMULA gets an apostrophe.

    That can be taken away again, since a text with apostrophes of its own gets one too. Source: OWASP, "CSV
    Injection".
    """
    return f"'{text}" if re.match(FORMULA, text) else text


def from_cell(text: str) -> str:
    """The text of which `as_cell` made this."""
    return text[1:] if text[:1] == "'" and as_cell(text[1:]) == text else text


def _byte(match: re.Match[str]) -> str:
    code = int(match[1], 16)
    return chr(0xDC00 + code) if code >= 0x80 else chr(code)


def _bytes_of(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
