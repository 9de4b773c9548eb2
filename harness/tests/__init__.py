# SPDX-License-Identifier: GPL-2.0
"""Unit tests of the harness; in harness/, run some by "python3 -m unittest tests.test_vm".

PD_PRISTINE names an unmodified kernel source; by default the newest one that was fetched.
"""

import os
import re

from shared import BUILD

fetched = sorted((BUILD / "src").glob("linux-[0-9]*"),
                 key=lambda path: [int(number) for number in re.findall(r"\d+", path.name)])
if fetched:
    os.environ.setdefault("PD_PRISTINE", str(fetched[-1]))
