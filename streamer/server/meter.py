"""What one client uses, held against limits and budget and written to the book and the figures."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from streamer.captions.tally import Tally
from streamer.errors import BudgetSpent, Draining, EngineFailed, InternalError, StreamerError
from streamer.server.auth import Key
from streamer.server.limits import Clock, Limits, Slot
from streamer.server.logs import RequestLog
from streamer.server.metrics import Counters
from streamer.server.speaking import Spoken
from streamer.types import Audio, Event, Report
from streamer.usage import Usage, Used

LONGEST_S, MOST_UNDERRUNS = 3600.0, 10000
"""No listener may spoil a sum with one report: more than this is not believed."""
DIGITS = 9
"""Of sums of money; what lies behind them is rounding."""


@dataclass(slots=True)
class Ledger:
    """What all meters of one server share. `draining` refuses whatever is new; `charges` are the
    contexts and HTTP utterances in work, `unbooked` what they cost at most by key, `reserved` what a
    key's unfinished jobs do."""

    limits: Limits
    usage: Usage
    clock: Clock
    counters: Counters = field(default_factory=Counters)
    draining: bool = False
    charges: set[Charge] = field(default_factory=set)
    unbooked: dict[str, float] = field(default_factory=dict)
    reserved: Callable[[str], float] = field(default=lambda key: 0.0)


class Meter:
    """One client: a connection or an HTTP request, with the key it came with."""

    def __init__(self, ledger: Ledger, key: Key, request_id: str) -> None:
        self.ledger = ledger
        self.key = key
        self.request_id = request_id
        self.log = RequestLog(
            logging.getLogger("streamer.server"),
            {"request_id": request_id, "key": key.id or None},
        )

    def connect(self, *, listens: bool = False) -> Slot:
        """A place for a connection. One that only `listens`, as with a key for nothing else, takes none from
        those who speak. Raises `Draining`, `ConnectionLimit`."""
        self.check_draining()
        limits = self.ledger.limits
        place = limits.listen if listens or self.key.only_listens else limits.connect
        return place(self.key.id, self.key.limits)

    def request(self) -> None:
        """An HTTP request, or a task. Raises `TokenExpired`, `RateLimited`."""
        self.key.check_time()
        self.ledger.limits.request(self.key.id, self.key.limits)

    def start(self, context: str, *, counted: bool = False) -> Charge:
        """A place for a context, `counted` where a request was counted for it already. Raises
        `Draining`, `TokenExpired`, `ContextLimit`, `RateLimited`, `BudgetSpent`."""
        self.check_draining()
        self.key.check_time()
        self._check_budget()
        slot = self.ledger.limits.start(self.key.id, self.key.limits, counted=counted)
        return Charge(self, context, slot)

    def listen(self, context: str) -> Charge:
        """A context that only listens: a request, with no bound of its own here and nothing to pay. Raises
        `Draining`, `TokenExpired`, `RateLimited`."""
        self.check_draining()
        self.request()
        return Charge(self, context, Slot(lambda: None), listens=True)

    def check_draining(self) -> None:
        if self.ledger.draining:
            raise Draining("the server is shutting down", retry_after_s=1)

    def take(self, characters: int, cost: float) -> None:
        """Characters come in, which cost so much at most. Raises `RateLimited`, `BudgetSpent`."""
        self._check_budget(cost)
        self.ledger.limits.characters(self.key.id, self.key.limits, characters)

    def error(self, error: StreamerError, context: str | None = None) -> None:
        """An error is told to the client."""
        self.ledger.counters.errors[error.code] += 1
        self.ledger.usage.add(self.key.id, Used(errors=1))
        ours = isinstance(error, EngineFailed | InternalError)
        self.log.log(
            logging.WARNING if ours else logging.INFO,
            "error",
            extra={"code": error.code, "param": error.param, "context": context},
        )

    def fault(self, fault: Exception, context: str | None = None) -> InternalError:
        """A fault of ours: log it; what to tell the client."""
        self.log.error("fault", exc_info=fault, extra={"context": context})
        return InternalError(f"an internal error; request id {self.request_id}")

    def report(self, report: Report) -> None:
        """A listener's own figures."""
        counters = self.ledger.counters
        counters.listener_underruns += min(report.underruns or 0, MOST_UNDERRUNS)
        if report.first_sound_ms is not None:
            counters.first_sound.observe(min(report.first_sound_ms / 1000, LONGEST_S))
        if report.network_ms is not None:
            counters.network.observe(min(report.network_ms / 1000, LONGEST_S))
        if report.drift_ppm is not None:
            counters.drift.observe(abs(report.drift_ppm))

    def balance(self) -> float | None:
        """What is left of the key's budget, work in hand taken off; None where it has none."""
        budget = self.key.limits.budget
        return None if budget is None else max(0.0, budget - self._spent())

    def _spent(self, more: float = 0.0) -> float:
        """With what is under way, and so much more."""
        ledger, key = self.ledger, self.key.id
        coming = ledger.unbooked.get(key, 0.0) + ledger.reserved(key) + more
        return round(ledger.usage.spent(key) + coming, DIGITS)

    def _check_budget(self, more: float | None = None) -> None:
        """Whether it has room for so much more; None: for anything at all."""
        budget = self.key.limits.budget
        if budget is None:
            return
        spent = self._spent(more or 0.0)
        if spent > budget or (more is None and spent >= budget):
            raise BudgetSpent(f"the budget of this key ({budget:g}) is used up", limit=budget)


class Charge:
    """One context: takes its place when made, books what was spoken when closed. One that `listens` is in no
    book, and in the figures of channels alone."""

    def __init__(self, meter: Meter, context: str, slot: Slot, *, listens: bool = False) -> None:
        self.meter = meter
        self._listens = listens
        self._cost = 0.0
        self._context = context
        self._slot = slot
        self._first_text: float | None = None
        self._heard = False
        self._cues = Tally()
        meter.ledger.charges.add(self)
        meter.ledger.counters.active_contexts += not listens
        meter.log.debug("context begins", extra={"context": context})

    def take(self, characters: int, cost: float) -> None:
        """Text comes in, which costs so much at most. Raises `RateLimited`, `BudgetSpent`."""
        self.meter.take(characters, cost)
        self._reserve(cost)
        if self._first_text is None:
            self._first_text = self.meter.ledger.clock()

    def _reserve(self, cost: float) -> None:
        """Hold so much back until what was spoken is booked, or let it go."""
        unbooked, key = self.meter.ledger.unbooked, self.meter.key.id
        self._cost += cost
        left = unbooked.pop(key, 0.0) + cost
        if round(left, DIGITS) > 0:
            unbooked[key] = left

    def observe(self, event: Event) -> None:
        """An event has been sent."""
        if not self._heard and isinstance(event, Audio) and event.packet.duration:
            self._heard = True
            if self._first_text is not None:
                ledger = self.meter.ledger
                ledger.counters.first_audio.observe(ledger.clock() - self._first_text)
        if not self._listens and (told := self._cues.push(event)) is not None:
            outcome, late_s = told
            counters = self.meter.ledger.counters
            counters.cues[outcome] += 1
            if outcome != "skipped":
                counters.lateness.observe(late_s)

    def close(self, spoken: Spoken | None, outcome: str) -> None:
        """The context has ended this way (its ending message, or "gone"). Only the first call counts."""
        ledger = self.meter.ledger
        if self not in ledger.charges:
            return
        ledger.charges.discard(self)
        self._reserve(-self._cost)
        self._slot.release()
        if self._listens:
            self.meter.log.info(
                "listener leaves", extra={"context": self._context, "outcome": outcome}
            )
            return
        counters = ledger.counters
        counters.active_contexts -= 1
        counters.contexts[outcome] += 1
        used = Used(contexts=int(spoken is not None))  # without a session there was none
        if spoken is not None:
            used.characters, used.audio_seconds = spoken.characters, spoken.seconds
            counters.underruns += spoken.underruns
            used.cost = spoken.cost
        counters.characters += used.characters
        counters.audio_seconds += used.audio_seconds
        ledger.usage.add(self.meter.key.id, used)
        self.meter.log.info(
            "context ends",
            extra={
                "context": self._context,
                "outcome": outcome,
                "characters": used.characters,
                "audio_s": round(used.audio_seconds, 3),
            },
        )
