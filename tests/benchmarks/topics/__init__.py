"""The rows of the budgets table, one module per topic; each has `measure(bench)`."""
