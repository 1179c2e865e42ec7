"""The command line of the benchmarks."""

import pytest

from tests.benchmarks.__main__ import TOPICS, read_options, read_topics
from tests.benchmarks.bench import ROOT


def test_topics_are_put_in_the_order_of_the_page():
    assert read_topics("load, transition") == ("transition", "load")


def test_an_unknown_topic_is_refused_with_those_there_are(capsys):
    with pytest.raises(SystemExit) as refused:
        read_options(["--only", "transitions"])
    assert refused.value.code == 2
    assert "there are transition, guard" in capsys.readouterr().err


@pytest.mark.parametrize("topic", TOPICS)
def test_every_topic_is_a_module(topic):
    assert (ROOT / "tests" / "benchmarks" / "topics" / f"{topic}.py").is_file()
