"""What a sweep would do, found out without doing it."""
