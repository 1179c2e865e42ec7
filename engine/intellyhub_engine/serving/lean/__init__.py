"""The lean server: blocking sockets, a thread per connection, one parser in C."""
