"""Random calls in random order, with random faults, return what a dictionary returns."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from model.machine import machine_for
from model.versions import versions_for

STEPS = 15
EXAMPLES = 5
OF_EVERY_CHANGE = 2


@pytest.fixture
def unhurried(request):
    """Settings by which a run says how it can be found again; each is another one where a number is asked for."""
    asked_for = request.config.getoption("--examples")
    usual = EXAMPLES if request.config.getoption("--all") else OF_EVERY_CHANGE
    return settings(
        max_examples=asked_for or usual,
        stateful_step_count=STEPS,
        derandomize=asked_for is None,
        # To find the shortest way to a failure takes minutes, and on moto, which frees nothing, gigabytes.
        phases=[Phase.generate] if asked_for is None else list(Phase),
        print_blob=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.timeout(900)  # with `--examples`
@pytest.mark.usefixtures("implementation")
def test_random_calls_with_faults_return_what_the_model_returns(proxy, oracle, unhurried):
    run_state_machine_as_test(machine_for(proxy, oracle), settings=unhurried)


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("implementation")
def test_random_calls_in_a_versioned_bucket_return_what_the_model_returns(proxy, oracle, unhurried):
    run_state_machine_as_test(versions_for(proxy, oracle), settings=unhurried)
