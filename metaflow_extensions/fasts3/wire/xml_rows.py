"""Documents of S3 that hold rows: elements of one name below the root, with texts inside.

`listing` reads its own in another way, because a page has a thousand.
"""

from collections.abc import Sequence

from metaflow_extensions.fasts3.wire.s3_errors import MAX_DEPTH, read_xml


class Rows:
    """What a document holds.

    Attributes
    ----------
    root : str
        The name of its first element.
    rows : list of dict of str to str
        The texts inside of each row, by the names of their elements.
    texts : dict of str to str
        The texts beside the rows.
    """

    def __init__(self) -> None:
        self.root = ""
        self.rows: list[dict[str, str]] = []
        self.texts: dict[str, str] = {}


def read_rows(document: bytes, what: str, row: str, needed: Sequence[str]) -> Rows:
    """Read a document; raises as `s3_errors.read_xml` does.

    Parameters
    ----------
    document : bytes
    what : str
        What it is, for messages.
    row : str
        The name of its rows.
    needed : sequence of str
        The texts that each row has to hold.
    """
    found = Rows()
    path: list[str] = []
    text: list[str] = []  # of the element begun last
    fields: dict[str, str] = {}  # of the row that is being read

    def start(name: str, _: object) -> None:
        nonlocal fields
        if not path:
            found.root = name
        elif len(path) == MAX_DEPTH:
            raise ValueError("too deep")
        elif len(path) == 1:
            fields = {}
        path.append(name)
        text.clear()

    def end(name: str) -> None:
        path.pop()
        if len(path) == 2:
            fields[name] = "".join(text)
        elif len(path) == 1 and name == row:
            missing = next((one for one in needed if one not in fields), None)
            if missing:
                raise ValueError(f"{row} without {missing}")
            found.rows.append(fields)
        elif len(path) == 1:
            found.texts[name] = "".join(text)
        text.clear()

    read_xml(document, what, start, end, text.append)
    return found
