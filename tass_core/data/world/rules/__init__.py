"""The rules that answer the 33 templates, by what a question asks for."""
