"""LangChain's tools and chains, in a process of their own (extra `langchain`)."""
