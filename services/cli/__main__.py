"""The program ``personio-declaree``, or ``python -m services.cli``."""


def main() -> None:
    """Runs the command that the arguments of the process name."""
    # the processes of a preview import this module, and none of the commands
    from services.cli.app import app  # noqa: PLC0415

    app()


if __name__ == "__main__":
    main()
