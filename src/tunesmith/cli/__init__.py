"""The command line. Its clock starts here, before anything heavy is imported, so that the time
spent on imports counts against a budget."""

import time

STARTED = time.monotonic()
