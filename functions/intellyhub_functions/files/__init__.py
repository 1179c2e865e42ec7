"""Files of a flow: where they may be, and how they are read and written without being led elsewhere."""
