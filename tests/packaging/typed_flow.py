"""A typical flow, for type checkers with Metaflow's stubs. Not a test; test_types has them read it."""

from typing import TYPE_CHECKING, Optional

from metaflow import S3, FlowSpec, step

if TYPE_CHECKING:
    from typing_extensions import assert_type


class Typed(FlowSpec):
    @step
    def start(self) -> None:
        with S3(run=self) as s3:
            assert_type(s3, S3)
            assert_type(s3.put("message", "hello"), str)
            assert_type(s3.get("message").text, Optional[str])
            print([one.key for one in s3.get_many(["message"])], s3.list_paths()[0].url)
            s3.put("message", 5)  # wrong
            s3.list_recursive("a", "b")  # wrong
        S3(root="s3://b/k")  # wrong
        self.next(self.end)

    @step
    def end(self) -> None:
        pass
