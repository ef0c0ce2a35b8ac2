"""Reads a report as a browser would: elements that close, their classes, and the text a person sees."""

from html.parser import HTMLParser

_EMPTY = {"meta", "br"}
_WITHIN_WORDS = {"a", "b", "bdi", "code", "i", "span"}


class Page(HTMLParser):
    """Elements as (tag, attributes, text with that of all within); fails where one is not closed."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.elements, self._open = [], []
        self.feed(page)
        self.close()
        assert not self._open, "every element is closed"

    def handle_starttag(self, tag, attributes):
        if tag not in _WITHIN_WORDS:
            self.handle_data(" ")
        element = [tag, dict(attributes), ""]
        self.elements.append(element)
        if tag not in _EMPTY:
            self._open.append(element)

    def handle_startendtag(self, tag, attributes):
        self.elements.append([tag, dict(attributes), ""])

    def handle_endtag(self, tag):
        assert self._open, f"nothing to close for {tag}"
        assert self._open.pop()[0] == tag

    def handle_data(self, data):
        for element in self._open:
            element[2] += data

    def tags(self):
        """Names of all elements there are."""
        return {tag for tag, _, _ in self.elements}

    def all(self, tag, kind=None):
        """Texts of the elements of a tag, and of a class if one is given, without needless blanks."""
        return [
            " ".join(text.split())
            for name, attributes, text in self.elements
            if name == tag and (kind is None or kind in (attributes.get("class") or "").split())
        ]

    def text(self):
        """All that is seen."""
        return self.all("body")[0]
