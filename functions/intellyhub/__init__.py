"""State types and sources of your own, for IntellyHub: a typed function is a state type, a generator is a source.

    from typing import Annotated, Literal
    from intellyhub import Range, state

    @state
    def greet(name: str, tone: Literal["warm", "short"] = "warm", times: Annotated[int, Range(1, 10)] = 1) -> str:
        '''Greets a person.

        Args:
            name: Who is greeted.
            tone: How.
            times: How often.
        '''
        return " ".join([f"Dear {name}," if tone == "warm" else name] * times)

A flow then says `state_type: greet`. The function stays a plain function, to be called and tested as one.
"""

from intellyhub.context import Context, SourceContext
from intellyhub.declaring import source, state
from intellyhub.marks import Alias, Range, Secret
from intellyhub.outcomes import Event, Failed, Result, RetryLater

__all__ = [
    "Alias",
    "Context",
    "Event",
    "Failed",
    "Range",
    "Result",
    "RetryLater",
    "Secret",
    "SourceContext",
    "source",
    "state",
]
