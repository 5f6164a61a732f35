"""URLs of files and folders, local or remote: makes them absolute, joins them, opens their filesystem."""

import os
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from tasks.errors import InputError


def absolute(url: str) -> str:
    """A local path made absolute, since workers may run in other folders; a remote URL as it is.

    Raises InputError for a path that is not UTF-8, which no record could hold. (A link may lead to one.)
    """
    url = url.removeprefix("file://")
    if "://" in url:
        return url.rstrip("/")
    path = Path(url).expanduser()
    for name in (str(path.resolve()), os.path.abspath(path)):
        if _is_text(name):
            return name
    raise InputError(
        f"Folders must have a path in UTF-8. Received: {url!r}: link to it from one and give that."
    )


def _is_text(name: str) -> bool:
    try:
        return bool(name.encode())
    except UnicodeEncodeError:
        return False


def join(url: str, *parts: str) -> str:
    return "/".join([url.rstrip("/"), *parts])


def beside(url: str, name: str) -> str:
    """The URL of `name` in the same folder as `url`."""
    return join(url.rstrip("/").rsplit("/", 1)[0], name)


def within(folder: str, url: str) -> str:
    """The path of a file below a folder, for records in it: they hold when the folder is moved or copied."""
    return url.removeprefix(f"{absolute(folder)}/")


def name_of(url: str) -> str:
    return url.rstrip("/").rsplit("/", 1)[-1]


def filesystem(url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """The fsspec filesystem of `url`, and the path within it.

    Raises InputError when the scheme is unknown or its driver is not installed.
    """
    if "://" not in url:  # fsspec would change paths such as `a::b`
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


def check_apart(images_url: str, url: str, name: str) -> None:
    """Raise InputError when the folder `url`, the parameter `name`, lies in the images or around them."""
    if f"{url}/".startswith(f"{images_url}/") or f"{images_url}/".startswith(f"{url}/"):
        raise InputError(
            f"`{name}` and `images` must not lie inside each other. Received: {url!r} and {images_url!r}."
        )
