"""The command line: `tenfold VERB ...`."""
