"""python -m outdial: the same as the `outdial` command."""

from outdial.cli import main

main()
