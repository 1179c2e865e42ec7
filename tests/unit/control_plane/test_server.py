"""The control plane's start."""

import logging

from intellyhub_control_plane import server
from intellyhub_knative.platform.service import Surroundings
from tests.unit.control_plane.house import data_folder


def test_a_database_that_does_not_answer_is_one_line_without_the_password(monkeypatch, caplog):
    with data_folder() as layout, caplog.at_level(logging.ERROR):
        environment = {"INTELLYHUB_DATA": str(layout.data), "DATABASE_URL": "postgresql://ada:hunter2@127.0.0.1:1/x"}
        monkeypatch.setattr(server, "enter", lambda given: make_surroundings(layout))
        monkeypatch.setattr(server, "share_metrics", lambda layout: None)
        assert server.main(environment) == 2
    [record] = caplog.records
    assert "\n" not in record.getMessage()
    assert "Connection refused" in record.getMessage()
    assert "hunter2" not in caplog.text
    assert record.exc_info is None


def make_surroundings(layout):
    from intellyhub_knative.platform.keys import load_keys

    journal = str(layout.socket("journal"))
    return Surroundings(layout=layout, keys=load_keys(layout.key), journal=journal, sockets={}, ready_descriptor=None)
