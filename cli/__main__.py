"""``python -m cli`` is ``tass-cli``, installed or not."""

from cli.main import main

main()
