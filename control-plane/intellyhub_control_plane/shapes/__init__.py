"""What goes over the wire: requests and answers, from which come their checks and the OpenAPI document."""
