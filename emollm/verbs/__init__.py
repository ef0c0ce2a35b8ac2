"""The verbs of the command line that are not methods of the Trainer."""
