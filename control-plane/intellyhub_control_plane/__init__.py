"""Who may run what, where and at what price."""
