"""The error of the local stack."""


class StackError(Exception):
    """A requirement of the stack is missing, or a process did not start; the message names the next step."""
