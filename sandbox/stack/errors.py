class StackError(Exception):
    """Something needed to run the stack is missing, or a process did not start; the message says what to do."""
