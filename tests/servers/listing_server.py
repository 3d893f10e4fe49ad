"""A server that returns given listings, page by page."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PAGE = 1000  # keys


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self._response(b"")

    def do_GET(self):
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        if "list-type" not in query:
            self.server.get_object()
            return
        rows, token = self.server.page(query["prefix"], query.get("continuation-token"))
        more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>" if token else ""
        self._response(f"<ListBucketResult>{more}{rows}</ListBucketResult>".encode())

    def _response(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class ListingServer(ThreadingHTTPServer):
    """Serves listings on a free port; `page` makes their content."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)

    def page(self, prefix, token):
        """Give the rows of the page with this token, None for the first, and the token of the next, None at the end."""
        raise NotImplementedError

    def get_object(self):
        """Close the connection on a request for an object."""

    def handle_error(self, *_):  # clients leave in the middle of a response
        pass

    @contextmanager
    def running(self):
        """Serve, in a thread."""
        with self:
            thread = threading.Thread(target=self.serve_forever, args=(0.01,))
            thread.start()
            yield f"http://127.0.0.1:{self.server_port}"
            self.shutdown()
            thread.join()


def rows(form):
    """Rows of a page as a text with a place for what all keys begin with; `form` is the rest of a key's name."""
    return "".join(f"<Contents><Key>{{0}}{form.format(row)}</Key><Size>1</Size></Contents>" for row in range(PAGE))
