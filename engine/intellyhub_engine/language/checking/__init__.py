"""Everything wrong with a flow, and the JSON Schema of what is right."""
