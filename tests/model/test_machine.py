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
def run_settings(request):
    """Settings with which a failure can be reproduced; with --examples, every run is different."""
    examples = request.config.getoption("--examples")
    usual = EXAMPLES if request.config.getoption("--all") else OF_EVERY_CHANGE
    return settings(
        max_examples=examples or usual,
        stateful_step_count=STEPS,
        derandomize=examples is None,
        # Shrinking a failure takes minutes, and gigabytes on moto, which frees no memory.
        phases=[Phase.generate] if examples is None else list(Phase),
        print_blob=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.timeout(900)  # with `--examples`
@pytest.mark.usefixtures("implementation")
def test_random_calls_with_faults_return_what_the_model_returns(proxy, oracle, run_settings):
    run_state_machine_as_test(machine_for(proxy, oracle), settings=run_settings)


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("implementation")
def test_random_calls_in_a_versioned_bucket_return_what_the_model_returns(proxy, oracle, run_settings):
    run_state_machine_as_test(versions_for(proxy, oracle), settings=run_settings)
