"""The one exception whose message is meant for the person at the keyboard."""


class UserError(Exception):
    """Bad input, said in one clear sentence that names the file, the field and the fix.

    The command line prints the message without a traceback and exits with status 2.
    """
