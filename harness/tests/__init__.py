# SPDX-License-Identifier: GPL-2.0
"""Unit tests of the harness; in harness/, "python3 -m unittest tests.test_vm" runs some.

PD_PRISTINE names an unmodified kernel source; the newest that was fetched unless it is set.
"""

import os
import re

from shared import BUILD

fetched = sorted((BUILD / "src").glob("linux-[0-9]*"),
                 key=lambda path: [int(number) for number in re.findall(r"\d+", path.name)])
if fetched:
    os.environ.setdefault("PD_PRISTINE", str(fetched[-1]))
