"""Documents as trees, with names as written: the oracle for readers that build no tree."""

from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat


def tree_of(document: bytes) -> Element:
    """The root of a document; white space before it is ignored, as some servers send it before the declaration."""
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.Parse(document.lstrip(), True)
    return builder.close()


def depth(element: Element) -> int:
    """How many elements are inside one another."""
    deepest, level = 0, [element]
    while level:
        deepest, level = deepest + 1, [child for one in level for child in one]
    return deepest


def texts_below(element: Element) -> "dict[str, str]":
    """The texts of the elements right below one, the last of each name; those with elements in them left out."""
    last = {child.tag: child for child in element}
    return {name: child.text or "" for name, child in last.items() if not len(child)}
