"""S3's XML documents: a root, rows below it (elements at one path that contain texts), and texts right below the root.

One pass, without a tree. S3's documents have at most four levels; a hostile server's may have any number.
"""

from collections.abc import Mapping, Sequence
from typing import Optional
from xml.parsers import expat

from metaflow_extensions.fasts3.wire.failures import Code, Failure, TransferError, malformed
from metaflow_extensions.fasts3.wire.not_s3 import is_page

# expat's errors for a truncated document.
CUT_SHORT = frozenset(
    expat.errors.codes[one]
    for one in (
        expat.errors.XML_ERROR_NO_ELEMENTS,
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
)
MAX_DEPTH = 32  # nested elements
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_ENCODINGS = frozenset({"utf-8", "utf-16", "iso-8859-1", "us-ascii"})


class Document:
    """The contents of a document, and the handlers that collect them.

    Parameters
    ----------
    rows : mapping of str to sequence of str
        Paths of the rows below the root, such as "Contents" or "TagSet/Tag", each with the texts that it must contain.

    Attributes
    ----------
    root : str
        Name of the root element.
    rows : dict of str to list of dict
        For each of these paths, the texts in each row by element name.
    order : list of str
        The path of each row, in the order of the document.
    texts : dict of str to str
        Texts of the other elements directly below the root.
    """

    def __init__(self, rows: "Mapping[str, Sequence[str]]") -> None:
        self.root = ""
        self.rows: dict[str, list[dict[str, str]]] = {path: [] for path in rows}
        self.order: list[str] = []
        self.texts: dict[str, str] = {}
        self._rows = {tuple(path.split("/")): (path, needed) for path, needed in rows.items()}
        self._open: list[str] = []  # names of the open elements, the root's first
        self._fields: dict[str, str] = {}  # of the current row
        self._text: list[str] = []  # of the last element; a list, because adding to a str copies it
        self.characters = self._text.append

    def start(self, name: str, _: object) -> None:
        """Handle a start tag."""
        if not self._open:
            self.root = name
        elif len(self._open) == MAX_DEPTH:
            raise ValueError("too deep")
        self._open.append(name)
        self._text.clear()

    def end(self, name: str) -> None:
        """Handle an end tag."""
        path = tuple(self._open[1:])
        self._open.pop()
        if path[:-1] in self._rows:
            self._fields[name] = "".join(self._text)
        elif path in self._rows:
            row, needed = self._rows[path]
            if not all(one in self._fields for one in needed):
                raise ValueError(f"{name} without {' or '.join(needed)}")
            self.rows[row].append(self._fields)
            self.order.append(row)
            self._fields = {}
        elif len(path) == 1:
            self.texts[name] = "".join(self._text)


def read(
    document: bytes, what: str, rows: "Mapping[str, Sequence[str]]", roots: "Optional[Sequence[str]]" = None
) -> Document:
    """Parse a document.

    Parameters
    ----------
    document : bytes
        Leading white space is skipped: servers send it to keep connections alive.
    what : str
        Its name for messages.
    rows : mapping of str to sequence of str
        See `Document`.
    roots : sequence of str, optional
        Allowed names of the root.

    Raises
    ------
    TransferError
        BROKEN: it is truncated. NOT_S3: it is a web page. MALFORMED: anything else.
    """
    if is_page(document):
        raise TransferError(Failure(Code.NOT_S3, f"{what} is a web page, not S3's XML"))
    found, parser = Document(rows), new_parser()
    parser.StartElementHandler, parser.EndElementHandler = found.start, found.end
    parser.CharacterDataHandler = found.characters
    try:
        parser.Parse(document.lstrip(), True)
    except (expat.ExpatError, ValueError) as error:
        cut = isinstance(error, expat.ExpatError) and error.code in CUT_SHORT and document.strip()
        code = Code.BROKEN if cut else Code.MALFORMED
        raise TransferError(Failure(code, f"{what} can't be read: {error}")) from None
    if roots and found.root not in roots:
        raise malformed(f"{what} is a {found.root[:80]!r} document")
    return found


def texts(document: bytes) -> "tuple[str, dict[str, str]]":
    """Return the root's name and the texts of the elements directly below it; "" if the document is not XML.

    For small documents: errors, and responses of multipart uploads, whose roots have other names on some servers.
    """
    try:
        found = read(document, "the document", {})
    except TransferError:
        return "", {}
    return found.root, found.texts


def new_parser() -> expat.XMLParserType:
    """Return a parser that rejects entity declarations, which can expand a few bytes to gigabytes.

    It also rejects encodings that expat does not support: Python would import a codec of the server's choice.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def refuse(*_: object) -> None:
        raise ValueError("S3's documents declare no types and no entities")

    def check_encoding(_: str, encoding: Optional[str], __: int) -> None:
        if encoding and encoding.lower() not in _ENCODINGS:
            raise ValueError(f"S3's documents are not in {encoding[:40]!r}")

    parser.StartDoctypeDeclHandler = refuse
    parser.XmlDeclHandler = check_encoding
    return parser
