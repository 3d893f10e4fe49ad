"""The migration tables name calls and arguments that exist."""

import ast
import inspect
import re

import boto3
import pytest
from case import case
from docs.pages import REPOSITORY
from metaflow import S3

PAGE = (REPOSITORY / "docs" / "migration.md").read_text(encoding="utf-8")
CELLS = re.findall(r"`([^`\n]+)`", "\n".join(line for line in PAGE.splitlines() if line.startswith("|")))
CALLS = [cell for cell in CELLS if re.match(r"(s3\.|S3\(|client\.|sum\()", cell)]


def parts(code, kind):
    return [node for node in ast.walk(ast.parse(code, mode="eval")) if isinstance(node, kind)]


def calls_of(code, owner):
    """For each call of a method of `owner`: its name, how many arguments have no name, the names of the others."""
    for call in parts(code, ast.Call):
        if isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == owner:
            yield call.func.attr, len(call.args), [word.arg for word in call.keywords if word.arg]


def test_our_calls_have_these_arguments():
    names = set()
    for code in CALLS:
        for name, positional, words in calls_of(code, "s3"):
            names.add(name)
            with case(code):
                inspect.signature(getattr(S3, name)).bind(None, *[None] * positional, **dict.fromkeys(words))
    assert names > {"get", "get_many", "put", "put_many", "list_paths"}  # and the others


def test_our_class_has_these_arguments():
    calls = [code for code in CALLS if code.startswith("S3(")]
    assert calls
    for code in calls:
        with case(code):
            [call] = parts(code, ast.Call)
            inspect.signature(S3).bind(**{str(word.arg): None for word in call.keywords})


@pytest.fixture(scope="module")
def client():
    client = boto3.client("s3", region_name="us-east-1")
    yield client
    client.close()


def test_boto3_has_these_calls(client):
    names = set()
    for code in CALLS:
        for name, _, words in calls_of(code, "client"):
            names.add(name)
            with case(code):
                operation = client.meta.method_to_api_mapping.get(name)
                assert hasattr(client, name)
                if operation:
                    known = client.meta.service_model.operation_model(operation).input_shape.members
                    assert set(words) <= set(known)
    assert names > {"get_object", "put_object"}  # and the others
