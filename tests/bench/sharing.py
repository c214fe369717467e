# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""How many samples one walk serves while a task stays long in the kernel."""

from common import Result, hw


def measure():
    rows = []
    for walk in "auto", "deferred":
        hw.record("--walk", walk, "-F", 4999, "-q", "--", hw.workload("longread"), 5)
        account = hw.stats("test.data")
        rows.append((walk, account["asked"], account["answered"], account["callchains"],
                     f"{account['answered'] / max(account['callchains'], 1):.1f}"))
    return [Result("Sharing", "A task reads /dev/zero in blocks of 64 MiB; 4999 Hz, 5 s.",
                   ("--walk", "samples that asked", "answered", "walks", "samples a walk"), rows)]
