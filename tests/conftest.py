"""What the tests of the command share."""

import pytest
from partialpool.cli import main as cli


@pytest.fixture
def run(capsys):
    """Run the command in this process: its exit code, standard output and standard error."""

    def call(*arguments):
        with pytest.raises(SystemExit) as ended:
            cli.main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return call
