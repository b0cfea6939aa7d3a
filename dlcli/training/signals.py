"""Signals: TERM and INT ask training to save and stop, HUP and USR1 to save and go on."""

import os
import signal
from types import FrameType, TracebackType
from typing import Any, Self

from dlcli.errors import DlcliError, Exit

STOP = {signal.SIGINT: Exit.INTERRUPTED, signal.SIGTERM: Exit.TERMINATED}
SAVE = (signal.SIGHUP, signal.SIGUSR1)


class Stopped(DlcliError):
    """Training was asked to stop and has saved what it had."""

    def __init__(self, message: str, exit_code: Exit) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Requests:
    """What signals have asked for while this context was entered; the loop looks between steps.

    A second TERM or INT ends the process at once, without another checkpoint.
    """

    def __init__(self) -> None:
        self.stop: Exit | None = None
        self.save = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        try:
            for number in (*STOP, *SAVE):
                self._before[number] = signal.signal(number, self._note)
        except ValueError:  # not the main thread: signals are the caller's affair
            pass
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, _: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number in SAVE:
            self.save = True
        elif self.stop is None:
            self.stop = STOP[signal.Signals(number)]
        else:
            os._exit(int(STOP[signal.Signals(number)]))
