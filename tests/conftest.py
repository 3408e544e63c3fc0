"""What all tests share."""

import signal

# Started in the background by a shell, tests and whatever they start ignore Ctrl-C; some of them press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The book of the smallest profile takes the longest: it is begun first, and whoever else asks for it comes last.
ORDER = {"test_chapters_smoke.py": -1, "test_page.py": 1, "test_poster.py": 2}


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: ORDER.get(item.path.name, 0))
