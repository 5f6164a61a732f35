"""What a browser would make of a page."""

from collections import Counter
from html.parser import HTMLParser

EVIL = "<img src=x onerror=alert(1)>.jpg"
VOID = {"br", "img", "link", "meta", "polyline", "circle"}


class Page(HTMLParser):
    """The tags of a page, what it loads and links to, its event handlers, and its texts by tag and class."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html, self.text = html, ""
        self.tags: Counter[str] = Counter()
        self.sources: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self._open: list[tuple[str, str, list[str]]] = []
        self._texts: list[tuple[str, str, list[str]]] = []
        self.feed(html)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        for name, value in attrs:
            if name in ("src", "srcset"):
                self.sources.append(value or "")
            if name == "href":
                self.links.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)
        if tag not in VOID:
            self._open.append((tag, dict(attrs).get("class") or "", []))
            self._texts.append(self._open[-1])

    def handle_data(self, data: str) -> None:
        self.text += data
        for _, _, texts in self._open:
            texts.append(data)

    def handle_endtag(self, tag: str) -> None:
        if any(tag == one for one, _, _ in self._open):
            while self._open.pop()[0] != tag:
                pass

    def texts_of(self, tag: str, name: str) -> list[str]:
        """The texts in all tags of a class, white space put right."""
        in_tags = [texts for one, kind, texts in self._texts if (one, kind) == (tag, name)]
        return [" ".join("".join(texts).split()) for texts in in_tags]
