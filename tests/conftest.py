"""What all tests share."""

import signal

# Started in the background by a shell, tests and whatever they start ignore Ctrl-C; some of them press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
