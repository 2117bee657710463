"""What every room may use: files, errors, words, options, launching."""
