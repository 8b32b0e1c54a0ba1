"""The networks of the comparison, each a ``System`` behind one protocol."""
