"""State types published for IntellyHub whose code is not part of this installation: known by name, not performed.

A flow that uses one is read and checked with a warning; running it says what is missing. Names, aliases and
parameters are those of the published plugins (FLOW_LANGUAGE.md sections 4 and 18).
"""

from __future__ import annotations

from intellyhub_engine.catalogue.manifest import Parameter, StateType
from intellyhub_engine.frozen import dataclass

__all__ = ["PUBLISHED", "Published", "make_published"]

SECRETS = frozenset(("access_token", "api_key", "corp_secret", "credentials_json", "password"))
ALIASES = {"user_prompt": ("prompt",)}


@dataclass(frozen=True)
class Published:
    """What is known of a published type: parameter names, blank-separated."""

    description: str
    aliases: tuple[str, ...] = ()
    required: str = ""
    optional: str = ""


PUBLISHED = {
    "elasticsearch_search": Published("Searches and indexes documents.", (), "operation", "index document query"),
    "elevenlabs_batch_calling": Published(
        "Starts batches of telephone calls by ElevenLabs agents.",
        ("elevenlabs-batch-calling",),
        "api_key",
        "operation call_name agent_id agent_phone_number_id recipients batch_id scheduled_time_unix limit last_doc",
    ),
    "facebook": Published(
        "Posts to a Facebook page.", (), "access_token page_id", "message link scheduled_publish_time"
    ),
    "google_sheets": Published(
        "Reads and writes Google spreadsheets.",
        ("google-sheets",),
        "action spreadsheet_id",
        "sheet_name range values search_query search_column credentials_json credentials_path",
    ),
    "linkedin": Published(
        "Searches people and companies on LinkedIn.",
        (),
        "search_type search_query",
        "filters max_results use_selenium selenium_options llm_analysis use_alternative_search",
    ),
    "llm_agent": Published(
        "Asks a large language model.",
        ("llm", "llm-agent", "llm_agent_lite"),
        "",
        "provider model api_key base_url temperature max_tokens chat_mode system_prompt user_prompt input chain_type"
        " memory response_key",
    ),
    "mcp_neo4j": Published(
        "Queries a Neo4j graph database.", ("mcp-neo4j",), "query", "parameters neo4j_url username password"
    ),
    "python_code_generator": Published(
        "Writes Python programs with a large language model.",
        ("python-code-generator",),
        "",
        "user_prompt max_steps provider model api_key base_url temperature execution_mode complexity_level code_style"
        " include_tests include_documentation validate_syntax workspace_enabled workspace_root project_name"
        " timestamp_folders project_subfolder cleanup_on_error code_output tests_output plan_output",
    ),
    "speech_to_text": Published(
        "Transcribes speech.",
        ("speech-to-text",),
        "audio_file",
        "api_key language model response_format temperature prompt workspace_path",
    ),
    "test_neo4j": Published("Tries the connection to a Neo4j graph database.", ("test-neo4j",)),
    "text_to_speech": Published(
        "Speaks a text.",
        ("text-to-speech",),
        "text",
        "api_key voice_id model_id voice_settings filename_prefix workspace_path",
    ),
    "wechat": Published(
        "Sends messages to WeChat Work.",
        (),
        "corp_id corp_secret agent_id message",
        "to_user to_party to_tag message_type safe",
    ),
}

NAMED_ONLY = (
    "a2a-send anthropic-completion collect context-manager custom-analysis custom-formatting custom-validation"
    " deployment document-parser generate log-analyzer mcp-response notification ollama-completion openai-completion"
    " saga-step search session-manager"
)
"""Types that published documents use in examples, and nobody published an implementation of (section 4)."""

PUBLISHED |= {name: Published("Named in published examples; never published itself.") for name in NAMED_ONLY.split()}


def make_published(name: str, row: Published) -> StateType:
    """Make the state type that stands for a published plugin."""
    required = row.required.split()
    parameters = [
        Parameter(
            name=parameter,
            required=parameter in required,
            aliases=ALIASES.get(parameter, ()),
            secret=parameter in SECRETS,
        )
        for parameter in (*required, *row.optional.split())
    ]
    return StateType(
        type=name,
        aliases=row.aliases,
        description=row.description,
        parameters={parameter.name: parameter for parameter in parameters},
        open_parameters=True,
        installed=False,
    )
