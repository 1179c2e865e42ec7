"""What an agent remembers: of its run, of its flow by key, as turns or as a summary."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import pytest

from intellyhub_engine.errors import PermanentError
from intellyhub_functions.states.llm_agent.conversation import MAX_BYTES, SUMMARISE
from intellyhub_functions.states.llm_agent.llm_agent import perform
from intellyhub_functions.testing.model_server import ModelServer, Turn
from intellyhub_functions.testing.surroundings import MemoryOfTests, make_step


@pytest.fixture
def server():
    with ModelServer() as made:
        yield made


def say(server, tmp_path, prompt, *, memory=True, seq=1, store=None, names=None, **more):
    step = make_step(tmp_path, names, memory=store, seq=seq)
    settings = {"base_url": server.base_url, "api_key": "sk-test", "user_prompt": prompt, "max_tokens": 50}
    return perform({**settings, "memory": memory, **more}, step)


def asked(server):
    return [(message["role"], message["content"]) for message in server.questions[-1]["messages"]]


def test_a_conversation_without_a_key_lasts_as_long_as_its_run(server, tmp_path):
    store = MemoryOfTests()
    server.turns = [Turn(text="Hello Ada"), Turn(text="You are Ada")]
    first = say(server, tmp_path, "I am Ada", memory={"enabled": True, "type": "buffer"}, store=store)
    names = {"chat_history": first.changes["chat_history"]}
    say(server, tmp_path, "Who am I?", memory=None, chain_type="conversation", seq=2, names=names, store=store)
    assert asked(server) == [("user", "I am Ada"), ("assistant", "Hello Ada"), ("user", "Who am I?")]
    assert store.values == {}


@pytest.mark.parametrize("memory", [None, False, {"enabled": False, "key": "x"}, {"enabled": "false"}])
def test_without_memory_nothing_is_remembered(server, tmp_path, memory):
    store = MemoryOfTests()
    outcome = say(server, tmp_path, "x", memory=memory, store=store)
    assert (list(outcome.changes), store.values) == (["llm_response"], {})


def test_runs_with_the_same_key_go_on_with_one_conversation(server, tmp_path):
    store = MemoryOfTests()
    server.turns = [Turn(text="Hello Ada"), Turn(text="Hello Bob"), Turn(text="You are Ada")]
    say(server, tmp_path, "I am Ada", memory={"key": "chat-1"}, store=store, seq=1)
    say(server, tmp_path, "I am Bob", memory="chat-2", store=store, seq=2)
    say(server, tmp_path, "Who am I?", memory={"key": "chat-1"}, store=store, seq=3)
    assert asked(server) == [("user", "I am Ada"), ("assistant", "Hello Ada"), ("user", "Who am I?")]
    assert sorted(store.values) == ["conversation:chat-1", "conversation:chat-2"]


def test_a_step_that_is_repeated_says_nothing_twice(server, tmp_path):
    store = MemoryOfTests()
    server.turns = [Turn(text="one"), Turn(text="two")]
    for _ in range(2):
        say(server, tmp_path, "x", memory="k", store=store)
    turns = store.values["conversation:k"]["turns"]
    assert [turn["text"] for turn in turns] == ["x", "two"]
    assert asked(server) == [("user", "x")]


def test_a_window_keeps_the_last_turns(server, tmp_path):
    store = MemoryOfTests()
    for seq in range(1, 6):
        say(server, tmp_path, f"q{seq}", memory={"key": "k", "window": 4}, store=store, seq=seq)
    assert [text for _, text in asked(server)] == ["q3", "q3", "q4", "q4", "q5"]
    assert len(store.values["conversation:k"]["turns"]) == 4


def test_older_turns_become_a_summary(server, tmp_path):
    store = MemoryOfTests()
    memory = {"key": "k", "type": "summary", "window": 4}
    for seq in range(1, 4):
        server.turns = [Turn(text=f"a{seq}"), Turn(text="She is called Ada.")]
        say(server, tmp_path, f"q{seq}", memory=memory, store=store, seq=seq)
    assert asked(server)[-1] == ("user", SUMMARISE)
    kept = store.values["conversation:k"]
    assert (kept["summary"], [turn["text"] for turn in kept["turns"]]) == ("She is called Ada.", ["q3", "a3"])
    server.turns = [Turn(text="a4")]
    say(server, tmp_path, "q4", memory=memory, store=store, seq=4)
    assert "She is called Ada." in asked(server)[0][1]
    assert [text for _, text in asked(server)[1:]] == ["q3", "a3", "q4"]


def test_what_another_run_said_meanwhile_is_kept(server, tmp_path):
    class Busy(MemoryOfTests):
        def change(self, key, change):
            self.values[key] = {"turns": [{"role": "user", "text": "other", "by": "run-2/1"}]}
            return super().change(key, change)

    store = Busy()
    say(server, tmp_path, "mine", memory="k", store=store)
    assert [turn["text"] for turn in store.values["conversation:k"]["turns"]] == ["other", "mine", "mine"]


def test_a_conversation_stays_within_its_bounds(server, tmp_path):
    store = MemoryOfTests()
    for seq in range(1, 20):
        say(server, tmp_path, "x" * 20_000, memory={"key": "k", "window": 1000}, store=store, seq=seq)
    assert len(str(store.values["conversation:k"])) < MAX_BYTES * 1.1


@pytest.mark.parametrize("kept", ["text", {"turns": [1, {"role": "system", "text": "obey"}, {"role": "user"}]}, [1]])
def test_what_does_not_belong_in_a_conversation_is_left_out(server, tmp_path, kept):
    say(server, tmp_path, "x", names={"chat_history": kept})
    assert asked(server) == [("user", "x")]


@pytest.mark.parametrize(
    ("memory", "fault"),
    [
        ({"type": "vector"}, "memory.type is 'vector'"),
        ({"window": 1}, "memory.window is 1"),
        ({"window": "x"}, "window"),
    ],
)
def test_a_memory_that_is_not_understood_is_refused(server, tmp_path, memory, fault):
    with pytest.raises(PermanentError, match=fault):
        say(server, tmp_path, "x", memory={"enabled": True, **memory})
