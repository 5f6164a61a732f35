"""How the points of an audit are worded."""


def count(number: int, one: str, many: str = "") -> str:
    """Write how many there are: "1 image", "1,623 images"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
