import json

from tests.cli.conftest import run


def test_schema_is_json_with_descriptions():
    schema = json.loads(run("schema").stdout)
    assert schema["$schema"].endswith("2020-12/schema")
    assert schema["properties"]["seed"]["description"]
