"""The one error of the dev cluster: a sentence for the user that says what is wrong and what to do."""


class DevclusterError(Exception):
    """What went wrong, in the user's words; printed by the command line as one line, never as a traceback."""
