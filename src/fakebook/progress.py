"""A progress bar that is one line: on a terminal, in a cell of a notebook, in a log."""

import math
import sys
import time

from tqdm import tqdm

FORMAT = "{desc}{percentage:3.0f}%|{bar:20}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"


class Progress:
    """Shows how far a loop is and what it has to say, at most once a second.

    In a notebook, the one line is redrawn in place by Jupyter's own display messages, so that an executed notebook
    keeps only the last state and needs no widgets. Where there is neither terminal nor notebook, only the last
    state is written.
    """

    def __init__(self, total: int, initial: int = 0, title: str = "", shown: bool = True):
        kernel = _kernel()
        terminal = sys.stderr.isatty()
        self._every = 1.0 if kernel or terminal else math.inf
        self._shown = time.monotonic()
        self._bar = tqdm(
            total=total,
            initial=initial,
            desc=f"{title}: " if title else None,
            disable=not shown,
            file=_Cell() if kernel else sys.stderr,
            ascii=False if kernel else None,
            bar_format=FORMAT,
            mininterval=math.inf,
            dynamic_ncols=terminal,
            delay=0 if kernel or terminal else math.inf,
        )

    def step(self, say) -> None:
        """One step done; ``say()`` gives the text behind the bar, and is called only when it is shown."""
        self._bar.n += 1
        if time.monotonic() - self._shown >= self._every:
            self._shown = time.monotonic()
            self._bar.set_postfix_str(say())

    def close(self, say) -> None:
        """Show the last state and leave it standing."""
        self._bar.delay = 0
        self._bar.set_postfix_str(say(), refresh=False)
        self._bar.close()


class _Cell:
    """A file for tqdm whose every line replaces the one before, in the output of a cell."""

    def __init__(self):
        self._handle = None

    def write(self, text: str) -> None:
        text = text.strip()
        if not text:
            return
        from IPython.display import display  # only there in a notebook

        line = {"text/plain": text}
        if self._handle is None:
            self._handle = display(line, raw=True, display_id=True)
        else:
            self._handle.update(line, raw=True)

    def flush(self) -> None:
        pass


def _kernel() -> bool:
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel")
