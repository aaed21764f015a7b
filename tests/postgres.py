"""`python -m tests.postgres [pytest arguments]`: all tests that ask a database, on PostgreSQL, where there
is one."""

import os
import subprocess
import sys

from tests.services import POSTGRES_URL, why_no_postgres


def main() -> int:
    if reason := why_no_postgres():
        print(f"The suite was not run on PostgreSQL: {reason}")
        return int(os.environ.get("REQUIRE_SERVICES") == "1")
    environment = {**os.environ, "DATABASE_URL": POSTGRES_URL}
    command = [sys.executable, "-m", "pytest", "-p", "tests.asking_database", *sys.argv[1:]]
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
