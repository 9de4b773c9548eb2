# SPDX-License-Identifier: GPL-2.0
"""Unit tests of the harness; "python3 -m unittest tests.test_vm" in harness/ runs one module.

PD_PRISTINE names an unmodified kernel source, by default the newest fetched one.
"""

import os
import re

from shared import BUILD

fetched = max((BUILD / "src").glob("linux-[0-9]*"), default=None,
              key=lambda path: [int(number) for number in re.findall(r"\d+", path.name)])
if fetched:
    os.environ.setdefault("PD_PRISTINE", str(fetched))
