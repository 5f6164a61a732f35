"""URLs of files and folders, local or remote: made absolute, joined, opened."""

from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from tasks.errors import InputError


def absolute(url: str) -> str:
    """A local path made absolute (workers may run in other folders); a URL unchanged."""
    url = url.removeprefix("file://")
    return url.rstrip("/") if "://" in url else str(Path(url).expanduser().resolve())


def join(url: str, *parts: str) -> str:
    return "/".join([url.rstrip("/"), *parts])


def beside(url: str, name: str) -> str:
    """The URL of `name` in the folder `url` lies in."""
    return join(url.rstrip("/").rsplit("/", 1)[0], name)


def name_of(url: str) -> str:
    return url.rstrip("/").rsplit("/", 1)[-1]


def filesystem(url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """The fsspec filesystem of `url` and the path in it; a path without scheme is taken as it is.

    Raises InputError when the URL's scheme is unknown or its driver is not installed.
    """
    if "://" not in url:
        return LocalFileSystem(), url
    try:
        return fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise InputError(
            f"A storage URL must be a local path or have a scheme fsspec can open, such as s3:// "
            f"or gs:// (`make setup` installs the drivers of both). Received: {url!r} ({error})."
        ) from error


def is_local(url: str) -> bool:
    return isinstance(filesystem(url)[0], LocalFileSystem)


def check_apart(root: str, url: str, name: str) -> None:
    """Raise InputError when what is written would lie among the images that are read, or the reverse."""
    if f"{url}/".startswith(f"{root}/") or f"{root}/".startswith(f"{url}/"):
        raise InputError(
            f"`{name}` and `images` must not lie inside each other. Received: {url!r} and {root!r}."
        )
