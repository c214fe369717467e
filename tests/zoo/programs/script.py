# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
import json
import re
import sys
import time
import zlib


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    fib(16)
    text = json.dumps([{"number": i, "word": "x" * (i % 17)} for i in range(300)])
    re.sub(r"(\d+)", lambda found: found.group(1) * 2, text)
    sorted(json.loads(text), key=lambda each: -each["number"])
    zlib.compress(text.encode())
