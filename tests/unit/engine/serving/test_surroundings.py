"""What a flow finds outside itself, and what is masked."""

import pytest

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.serving.settings import Settings
from intellyhub_engine.serving.surroundings import make_surroundings


def test_the_workers_own_settings_are_no_flows_business():
    environment = {"INTELLYHUB_JOURNAL": "x", "K_SERVICE": "x", "KUBERNETES_PORT": "x", "LISTEN_FDS": "1", "HOME": "/h"}
    assert make_surroundings(Settings(), environment).outer == {"HOME": "/h"}


def test_variables_win_over_secrets_and_those_over_the_environment(tmp_path):
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name in ("B", "C"):
        (secrets / name).write_text(f"secret {name}\n")
    (secrets / "..data").mkdir()
    (tmp_path / "variables.json").write_text('{"C": [1]}')
    settings = Settings(secrets_dir=str(secrets), variables_file=str(tmp_path / "variables.json"))
    surroundings = make_surroundings(settings, {"A": "1", "B": "2", "C": "3"})
    assert surroundings.outer == {"A": "1", "B": "secret B", "C": [1]}
    assert surroundings.secrets == {"secret B", "secret C"}
    assert "secret B" not in repr(surroundings)


@pytest.mark.parametrize("content", ["{", "[]", "\udcff"])
def test_files_that_cannot_be_used_are_named_without_their_content(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputInvalid, match="INTELLYHUB_VARIABLES_FILE"):
        make_surroundings(Settings(variables_file=str(path)), {})
    with pytest.raises(InputInvalid, match="INTELLYHUB_SECRETS_DIR"):
        make_surroundings(Settings(secrets_dir=str(path)), {})


def test_a_value_whose_name_sounds_secret_is_masked():
    assert make_surroundings(Settings(), {"BOT_TOKEN": "hidden", "PATH": "/bin"}).secrets == {"hidden"}
