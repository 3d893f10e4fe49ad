"""Data versioned by run: what one step puts with `S3(run=self)`, the next one gets.

python versioned_flow.py run
"""

from metaflow import S3, FlowSpec, step

GREETING = "Grüße from a past run"
PIXELS = bytes(range(256))
SQUARES = {f"squares/{n:02}": str(n * n) for n in range(100)}


class VersionedFlow(FlowSpec):
    """Put text, bytes with metadata, and a hundred objects at once; then read everything back."""

    @step
    def start(self):
        print("S3 is", S3.__module__)
        with S3(run=self) as s3:
            self.url = s3.put("greeting.txt", GREETING, content_type="text/plain")
            s3.put("pixels", PIXELS, metadata={"width": 16, "height": 16})
            s3.put_many(SQUARES.items())
        self.next(self.end)

    @step
    def end(self):
        with S3(run=self) as s3:
            greeting, pixels = s3.get_many(["greeting.txt", "pixels"])
            assert greeting.url == self.url
            assert greeting.text == GREETING
            assert pixels.blob == PIXELS
            assert pixels.metadata == {"width": 16, "height": 16}

            squares = s3.get_many(SQUARES)
            assert {square.key: square.text for square in squares} == SQUARES

            everything = s3.get_all()
            assert {found.key for found in everything} == {"greeting.txt", "pixels", *SQUARES}

            paths = {path.key: path.exists for path in s3.list_paths()}
            assert paths == {"greeting.txt": True, "pixels": True, "squares": False}
            print(f"Read {len(everything)} objects back.")


if __name__ == "__main__":
    VersionedFlow()
