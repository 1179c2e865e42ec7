"""What is shown of flows and runs, made from what the database, the journal and the other processes know. Pure."""
