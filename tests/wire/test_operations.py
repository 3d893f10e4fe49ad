"""Tests of the table of operations: each method has one row, and the row describes what the method does."""

import typing

import pytest
from botocore import xform_name
from botocore.session import Session

from metaflow_extensions.fasts3.wire.operations import BY_TRANSFER, OPERATIONS
from metaflow_extensions.fasts3.wire.transfers import Transfers

MODEL = Session().get_service_model("s3")


def test_every_method_has_a_row():
    methods = {name for name, value in vars(Transfers).items() if callable(value) and not name.startswith("_")}
    assert set(BY_TRANSFER) == methods
    assert len(OPERATIONS) == len(BY_TRANSFER)


@pytest.mark.parametrize("row", OPERATIONS.values(), ids=OPERATIONS)
def test_a_row_agrees_with_s3_s_api_and_with_its_method(row):
    model = MODEL.operation_model(row.name)
    assert row.http_method == model.http["method"]
    assert {"Bucket", *row.arguments} >= set(model.input_shape.required_members)
    assert set(row.arguments) <= set(model.input_shape.members)
    assert xform_name(row.name) in dir(Session().create_client("s3", region_name="us-east-1"))
    promised = typing.get_type_hints(getattr(Transfers, row.transfer))["return"]
    assert row.result is (typing.get_origin(promised) or promised)


def test_all_templates_that_a_method_needs_are_those_of_operations():
    assert {name for row in OPERATIONS.values() for name in row.templates} == set(OPERATIONS)
    assert BY_TRANSFER["head"].templates == ("HeadObject", "GetObject")
