"""Where plugins come from, as people write it."""

import pytest

from intellyhub_control_plane.plugins.origins import Kind, read_origin
from intellyhub_engine.errors import InputInvalid


@pytest.mark.parametrize(
    ("text", "kind", "address", "reference", "subfolder", "bounds"),
    [
        ("rss-reader", Kind.NAME, "rss-reader", "", "", ""),
        ("rss-reader >= 1.0, <2", Kind.NAME, "rss-reader", "", "", ">=1.0,<2"),
        ("intellyhub-plugin-rss==1", Kind.PACKAGE, "intellyhub-plugin-rss", "", "", "==1"),
        ("./plugins", Kind.FOLDER, "./plugins", "", "", ""),
        ("/srv/plugins", Kind.FOLDER, "/srv/plugins", "", "", ""),
        ("git+https://x.test/a/b", Kind.GIT, "https://x.test/a/b", "", "", ""),
        ("https://x.test/a/b.git", Kind.GIT, "https://x.test/a/b.git", "", "", ""),
        ("git+https://x.test/b.git@v1.2", Kind.GIT, "https://x.test/b.git", "v1.2", "", ""),
        ("git+https://x.test/b@feature/x", Kind.GIT, "https://x.test/b", "feature/x", "", ""),
        ("git+https://ada:{TOKEN}@x.test/b.git", Kind.GIT, "https://ada:{TOKEN}@x.test/b.git", "", "", ""),
        ("git+https://ada@x.test:8443/b.git@main", Kind.GIT, "https://ada@x.test:8443/b.git", "main", "", ""),
        ("git@x.test:a/b.git@v1", Kind.GIT, "git@x.test:a/b.git", "v1", "", ""),
        ("git+/srv/a.git@v1", Kind.GIT, "/srv/a.git", "v1", "", ""),
        ("git+https://x.test/b#subdirectory=plugins/a", Kind.GIT, "https://x.test/b", "", "plugins/a", ""),
    ],
)
def test_every_form_is_understood(text, kind, address, reference, subfolder, bounds):
    origin = read_origin(text)
    found = (origin.kind, origin.address, origin.reference, origin.subfolder, origin.bounds)
    assert found == (kind, address, reference, subfolder, bounds)
    assert read_origin(str(origin)) == origin


@pytest.mark.parametrize(
    "text",
    [
        "",
        "--upload-pack=touch /tmp/x",
        "git+--upload-pack=x",
        "git+https://x.test/b@--upload-pack=x",
        "git+https://x.test/b#subdirectory=../../etc",
        "git+https://x.test/b#egg=x",
        "a b c",
        "name;rm -rf",
        "name>=1; import os",
    ],
)
def test_everything_else_is_refused(text):
    with pytest.raises(InputInvalid):
        read_origin(text)
