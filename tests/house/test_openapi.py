"""The OpenAPI document in the reference is the one that the API serves."""

from docs.openapi import FILE, document, rendered

ADVICE = "run `python -m docs.openapi`"


def test_the_document_in_the_reference_is_what_the_routes_give():
    assert FILE.read_text(encoding="utf-8") == rendered(), ADVICE


def test_it_is_of_the_version_that_has_json_schema_inside():
    assert document()["openapi"].startswith("3.1.")


def test_every_operation_says_what_it_answers_when_things_go_wrong():
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            answers = operation["responses"]
            assert any(int(status) < 400 for status in answers), (method, path)
            if path.startswith("/v1"):
                assert {"401", "403", "422", "503"} <= set(answers), (method, path)
            if "{" in path:
                assert "404" in answers, (method, path)
            if "requestBody" in operation:
                assert {"400", "413", "415"} <= set(answers), (method, path)
            if method == "post":
                assert {"409", "422"} <= set(answers), (method, path)
