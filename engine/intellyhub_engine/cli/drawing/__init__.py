"""A flow as a picture: one abstract diagram, drawn as Mermaid text or as SVG. Pure; nothing here does I/O."""
