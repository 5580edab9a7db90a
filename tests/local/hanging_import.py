"""A handler whose import never ends."""

import signal

signal.pause()
