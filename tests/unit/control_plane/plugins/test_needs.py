"""What a plugin needs is told from its manifest and its code's text."""

from pathlib import Path

import pytest

from intellyhub_control_plane.plugins.candidates import make_candidate
from intellyhub_control_plane.plugins.needs import find_service_needs
from intellyhub_control_plane.plugins.origins import Kind, Origin
from intellyhub_engine.errors import InputInvalid
from tests.unit.control_plane.plugins.sources import state_plugin

HERE = Origin(kind=Kind.FOLDER, address="here")


def needs_of(files):
    return make_candidate({name: text.encode() for name, text in files.items()}, "shout", HERE).needs


def test_a_published_manifest_says_what_it_needs():
    needs = needs_of(
        state_plugin(
            requirements=["requests>=2", "ast>=3.8.0"],
            optional_requirements=["torch"],
            installation={"environment_variables": ["SHOUT_KEY - Your key", "SHOUT_TOKEN", "not a name - x"]},
            configuration={"user": {"default": "${SHOUT_USER}", "description": "Who"}, "retries": {"default": 3}},
        )
    )
    assert needs.hosts is None
    assert [(each.name, each.description) for each in needs.secrets] == [
        ("SHOUT_KEY", "Your key"),
        ("SHOUT_TOKEN", ""),
        ("SHOUT_USER", "Who"),
    ]
    assert (needs.requirements, needs.left_out) == (("requests>=2",), ("ast>=3.8.0",))
    assert needs.optional_requirements == ("torch",)


def test_what_was_published_with_requirements_that_cannot_be_met_is_corrected():
    written = ["langchain>=0.2.5", "langchain-openai>=0.1.8", "transformers>=4.42.3", "torch>=2.3.1"]
    needs = needs_of(state_plugin("llm-agent", requirements=written))
    assert needs.requirements == ("langchain>=0.2.5,<1", "langchain-openai>=0.1.8")
    assert needs.left_out == ("transformers>=4.42.3", "torch>=2.3.1")
    assert needs_of(state_plugin("llm-agent", requirements=["torch>=3"])).requirements == ("torch>=3",)
    assert needs_of(state_plugin("other", requirements=written)).left_out == ()


def test_our_own_keys_name_hosts_and_secrets():
    needs = needs_of(state_plugin(hosts=["api.example.org"], secrets=["SHOUT_KEY"]))
    assert needs.hosts == ("api.example.org",)
    assert [each.name for each in needs.secrets] == ["SHOUT_KEY"]


def test_a_package_that_is_imported_but_not_declared_is_added():
    files = state_plugin("web", requirements=["Flask-Login"])
    files["web_state.py"] += "\nimport flask\nfrom yaml import safe_load\nimport json, somebody\n"
    needs = needs_of(files)
    assert needs.undeclared == ("flask", "pyyaml")
    assert needs.requirements == ("Flask-Login", "flask", "pyyaml")
    declared = needs_of({**files, **state_plugin("web", requirements=["Flask>=3", "PyYAML"])})
    assert declared.undeclared == ()


def test_services_are_read_as_they_are_published():
    document = {
        "dependencies": {
            "services": [
                {
                    "type": "neo4j",
                    "min_version": "5.0",
                    "prefer": "remote",
                    "fallback": ["local"],
                    "connection_vars": {"bolt_url": "NEO4J_BOLT_URL"},
                    "health_check": {"type": "tcp", "port": 7687},
                }
            ]
        }
    }
    (need,) = find_service_needs(document)
    assert (need.type, need.required, need.min_version, need.prefer) == ("neo4j", True, "5.0", "remote")
    assert need.fallback == ("local",)
    assert need.connection_vars == {"bolt_url": "NEO4J_BOLT_URL"}


def test_what_a_service_injects_is_no_secret_to_be_set():
    services = [{"type": "redis", "connection_vars": {"url": "REDIS_URL"}}]
    needs = needs_of(
        state_plugin(dependencies={"services": services}, configuration={"url": {"default": "${REDIS_URL}"}})
    )
    assert needs.secrets == ()


@pytest.mark.parametrize("services", ["redis", [{}], [{"type": "redis", "connection_vars": {"url": 1}}]])
def test_services_that_are_none_are_refused(services):
    with pytest.raises(InputInvalid):
        find_service_needs({"dependencies": {"services": services}})


@pytest.mark.parametrize("dependencies", [{}, ["requests>=2"], {"packages": ["requests>=2"]}])
def test_all_shapes_of_dependencies_are_read(dependencies):
    needs = needs_of(state_plugin(dependencies=dependencies))
    assert needs.requirements == (("requests>=2",) if dependencies else ())


def test_code_that_cannot_be_parsed_is_not_run_to_find_out(tmp_path):
    files = state_plugin(state_type="shout")
    files["helper.py"] = "this is (no python"
    files["evil.py"] = f"open({str(tmp_path / 'ran')!r}, 'w')"
    assert needs_of(files).requirements == ()
    assert not Path(tmp_path / "ran").exists()
