"""A flow of many short tasks with small artifacts. `benchmarks.flow` runs it."""

from metaflow import FlowSpec, Parameter, step


class TasksFlow(FlowSpec):
    """A step, a foreach, its join, and an end."""

    tasks = Parameter("tasks", default=30, help="How many tasks the foreach has.")

    @step
    def start(self):
        self.numbers = list(range(self.tasks))
        self.settings = {"rate": 0.1, "depth": 6}
        self.text = "a text " * 1000
        self.next(self.work, foreach="numbers")

    @step
    def work(self):
        self.number = self.input
        self.scores = [self.number * n for n in range(1000)]
        self.model = bytes([self.number]) * 100_000
        self.report = {"number": self.number, "depth": self.settings["depth"], "words": len(self.text)}
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(task.scores[-1] for task in inputs)
        self.sizes = [len(task.model) for task in inputs]
        self.merge_artifacts(inputs, include=["settings", "text"])
        self.next(self.end)

    @step
    def end(self):
        assert self.total == 999 * sum(range(self.tasks))
        assert self.sizes == [100_000] * self.tasks
        assert self.settings["depth"] == 6


if __name__ == "__main__":
    TasksFlow()
