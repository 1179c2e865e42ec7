"""Makes flows agents that other agents speak to."""
