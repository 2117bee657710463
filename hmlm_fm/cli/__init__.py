"""The command `hmlm` and its subcommands: arguments in, calls out."""
