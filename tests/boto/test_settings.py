"""Tests of the settings in Metaflow's configuration."""

import metaflow.metaflow_config as configuration
import pytest
from metaflow.exception import MetaflowException

from metaflow_extensions.fasts3.boto.settings import Chosen, Settings
from metaflow_extensions.fasts3.plans.pieces import PART_SIZE


@pytest.mark.parametrize(
    ("general", "transient", "retries"), [(7, 20, 20), (30, 20, 30), (0, 20, 0), (7, 0, 0), (0, 0, 0), (1, 1, 1)]
)
def test_retries(monkeypatch, general, transient, retries):
    monkeypatch.setattr(configuration, "S3_RETRY_COUNT", general)
    monkeypatch.setattr(configuration, "S3_TRANSIENT_RETRY_COUNT", transient)
    assert Settings.read().retries == retries


@pytest.mark.parametrize(("count", "chosen", "connections"), [(64, None, 256), (64, "64", 64), (8, None, 8)])
def test_metaflow_s_own_number_of_workers_is_not_a_choice(monkeypatch, count, chosen, connections):
    monkeypatch.setattr(configuration, "S3_WORKER_COUNT", count)
    if chosen:
        monkeypatch.setenv("METAFLOW_S3_WORKER_COUNT", chosen)
    assert Settings.read().connections == connections


def test_an_implementation_that_does_not_exist_is_named(monkeypatch):
    monkeypatch.setattr(configuration, "S3_TRANSFERS", "carrier pigeon")
    with pytest.raises(MetaflowException, match=r"carrier pigeon.*'wire' or 'boto3'"):
        Settings.read()


@pytest.mark.parametrize("name", ["RETRY_COUNT", "TRANSIENT_RETRY_COUNT", "OUTAGE_TIMEOUT", "WORKER_COUNT"])
def test_numbers_that_are_impossible_are_named(monkeypatch, name):
    for value in (-1, -0.5, float("nan"), float("inf"), "five", None):
        monkeypatch.setattr(configuration, f"S3_{name}", value, raising=False)
        with pytest.raises(MetaflowException, match=rf"METAFLOW_S3_{name} is .*{value}.*not negative"):
            Settings.read()
    monkeypatch.setattr(configuration, f"S3_{name}", 0)
    Settings.read()


def test_arguments_override_the_configuration(monkeypatch):
    monkeypatch.setattr(configuration, "S3_WORKER_COUNT", 8)
    chosen = Settings.read(Chosen(3, 1e6, 2**24))
    assert (chosen.connections, chosen.bandwidth, chosen.part_size) == (3, 1e6, 2**24)
    configured = Settings.read(Chosen())
    assert (configured.connections, configured.bandwidth, configured.part_size) == (8, None, PART_SIZE)
