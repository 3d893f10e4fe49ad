"""Scripts that run in place of `s3op.py`. `{script!r}` in them is the path of the real one."""

AS_USUAL = """
import os, sys
sys.argv[0] = {script!r}
sys.path.insert(0, os.path.dirname({script!r}))
import s3op
s3op.create_packages()
from metaflow_extensions.fasts3.workers import worker
"""
GARBAGE = """
import os, sys
os.write(int(sys.argv[3]), b"Traceback (most recent call last): nothing here is a frame")
os.read(int(sys.argv[2]), 1)
"""
DEAD = "raise SystemExit(3)"
# Says hello as it should, then dies over any job whose key is 'poison', by `{end}`.
POISONED = (
    AS_USUAL
    + """class Performer:
    async def perform(self, job, on_begin=None):
        if job.key == "poison":
            {end}
        return worker.Outcome(job.number, [0, "", None, {}, None, None, None, {}], None, True)
worker.Worker._prepare = lambda self, setup: setattr(self, "_performer", Performer())
worker.serve(*map(int, sys.argv[1:]))
"""
)

# The first that is given 'suspect' dies; the next does it, but not before another worker has failed over 'failing'.
SUSPECTING = (
    AS_USUAL
    + """from metaflow_extensions.fasts3.wire.failures import Code, Failure
from metaflow_extensions.fasts3.wire.waiting import Pause, wait_for
died, failed = __file__ + ".died", __file__ + ".failed"
class Performer:
    async def perform(self, job, on_begin=None):
        if job.key == "suspect" and not os.path.exists(died):
            open(died, "w").close()
            os._exit(9)
        if job.key == "failing":
            open(failed, "w").close()
            return worker.Outcome(job.number, None, Failure(Code.NOT_FOUND), True)
        while job.key == "suspect" and not os.path.exists(failed):
            await wait_for(Pause(0.01))
        return worker.Outcome(job.number, [0, "", None, {}, None, None, None, {}], None, True)
worker.Worker._prepare = lambda self, setup: setattr(self, "_performer", Performer())
worker.serve(*map(int, sys.argv[1:]))
"""
)

# Tells which modules it has loaded by the end of each job.
TELLING = (
    AS_USUAL
    + """def end(*args, end=worker.Worker._end):
    open(__file__ + ".modules", "w").write(" ".join(sys.modules))
    end(*args)
worker.Worker._end = end
worker.serve(*map(int, sys.argv[1:]))
"""
)

# Each job takes it longer than it would stay without one, by its own clock.
SLOW = (
    AS_USUAL
    + """import time, types
from metaflow_extensions.fasts3.wire.waiting import Pause, wait_for
late = 0.0
worker.time = types.SimpleNamespace(monotonic=lambda: time.monotonic() + late)
class Performer:
    async def perform(self, job, on_begin=None):
        global late
        late += worker.IDLE_LIMIT
        await wait_for(Pause(0.01))
        return worker.Outcome(job.number, [0, "", None, {}, None, None, None, {}], None, True)
worker.Worker._prepare = lambda self, setup: setattr(self, "_performer", Performer())
worker.serve(*map(int, sys.argv[1:]))
"""
)

# Dies during a large object, after the interim outcome of the first response.
BEGINNING = (
    AS_USUAL
    + """from metaflow_extensions.fasts3.wire.waiting import Pause, wait_for
class Dying(Exception):
    pass
class Performer(worker.Performer):
    async def perform(self, job, on_begin):
        def tell_and_die(begun):
            on_begin(begun)
            raise Dying
        try:
            return await super().perform(job, tell_and_die)
        except Dying:
            await wait_for(Pause(0.01))  # the interim outcome is sent before
            os._exit(9)
worker.Performer = Performer
worker.serve(*map(int, sys.argv[1:]))
"""
)
