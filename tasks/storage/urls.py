"""URLs of files and folders, local or remote: makes them absolute, joins them, opens their filesystem."""

from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from tasks.errors import InputError


def absolute(url: str) -> str:
    """A local path made absolute, since workers may run in other folders; a remote URL as it is."""
    url = url.removeprefix("file://")
    return url.rstrip("/") if "://" in url else str(Path(url).expanduser().resolve())


def join(url: str, *parts: str) -> str:
    return "/".join([url.rstrip("/"), *parts])


def beside(url: str, name: str) -> str:
    """The URL of `name` in the same folder as `url`."""
    return join(url.rstrip("/").rsplit("/", 1)[0], name)


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
