"""Does what a task asks for, whichever way it came."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field, replace

from streamer.errors import Draining, NotFound, StreamerError
from streamer.protocols.runware import NAME, answers, job_request
from streamer.protocols.runware.answers import INFERENCE, Item
from streamer.protocols.runware.errors import UPLOAD_FAILED, error_item
from streamer.protocols.runware.identities import media_id
from streamer.protocols.runware.tables import BASE, CUSTOM_VOICE
from streamer.protocols.runware.tasks import (
    Authenticate,
    Delete,
    GetResponse,
    GetTaskDetails,
    Inference,
    Ping,
    Refusal,
    Task,
    Upload,
    decode_inference,
)
from streamer.resources import PENDING, Job, JobRequest, JobResult, StoredFile
from streamer.server.hosted.base import NOW_S, STAND_IN, Hosted
from streamer.server.hosted.runware.media import Media
from streamer.server.hosted.runware.uploads import Uploads
from streamer.server.meter import Meter
from streamer.server.service import Service
from streamer.types import Description, Reference
from streamer.voices.previews import preview_text

_KINDS: dict[type, str] = {
    Authenticate: "authentication",
    Ping: "ping",
    GetResponse: "getResponse",
    GetTaskDetails: "getTaskDetails",
    Upload: "mediaStorage",
    Delete: "mediaStorage",
    Inference: INFERENCE,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What is told of one task. `refused`: it was not even begun, for that."""

    data: list[Item] = field(default_factory=list)
    errors: list[Item] = field(default_factory=list)
    warnings: tuple[str, ...] = ()
    refused: StreamerError | None = None


class Performer:
    """The tasks of all clients."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._hosted = Hosted(service, NAME)
        self._media = Media(service)
        self._uploads = Uploads(service, self._media)

    async def perform(self, task: Task | Refusal, meter: Meter, base: str) -> Answer:
        """Never raises but what cancels it. `base` is where the client reaches this server."""
        kind = task.kind if isinstance(task, Refusal) else _KINDS[type(task)]
        try:
            return await self._done(task, meter, base)
        except Exception as fault:
            error = fault if isinstance(fault, StreamerError) else meter.fault(fault)
            meter.error(error)
            return Answer(errors=[error_item(error, kind, task.id)], refused=error)

    async def _done(self, task: Task | Refusal, meter: Meter, base: str) -> Answer:
        link = self._service.links.from_base(base)
        match task:
            case Refusal():
                raise task.error
            case Inference():
                return await self._infer(task, meter, base)
            case GetResponse():
                job = await self._find(meter, task.id)
                return await self._told(job, meter, link, status=True)
            case GetTaskDetails():
                job = await self._find(meter, task.id)
                told = await self._told(job, meter, link)
                answer = answers.envelope(told.data, told.errors)
                return Answer([answers.details(task.id, job.request.echo.encode(), answer)])
            case Upload():
                file = await self._media.keep(meter.key.id, task.media)
                return Answer([answers.stored(task.id, "upload", media_id(file.id), link(file))])
            case Delete():
                await self._media.delete(meter.key.id, task.media)
                return Answer([answers.stored(task.id, "delete", task.media)])
            case Ping():
                return Answer([answers.pong(task.id)])
            case Authenticate():  # whoever called has seen to it
                return Answer()

    async def _infer(self, task: Inference, meter: Meter, base: str) -> Answer:
        meter.check_draining()
        jobs, key = self._service.resources.jobs, meter.key.id
        with ExitStack() as stack:
            async with AsyncExitStack() as making:
                wanted = await self._wanted(task, meter, making)
                if wanted.urgent:
                    stack.callback(meter.connect().release)
                job, _ = await jobs.submit(key, wanted, base_url=base, admit=meter.take)
            upload = self._uploads.begin(job, task.upload) if task.upload else None
            if not wanted.urgent:
                return Answer([answers.acknowledged(task.id)], warnings=wanted.warnings)
            job = await jobs.wait(key, job.id, NOW_S)
            if upload is not None and job.status not in PENDING:
                await upload
        if job.status in PENDING and self._service.ledger.draining:
            raise Draining("the server is shutting down", retry_after_s=1)
        return await self._told(job, meter, self._service.links.from_base(base))

    async def _wanted(self, task: Inference, meter: Meter, making: AsyncExitStack) -> JobRequest:
        """The job that is asked for; it is accepted within `making`. Raises what nothing here can do."""
        if task.upload:
            self._service.resources.fetcher.check(task.upload, param="uploadEndpoint")
        ogg = self._service.settings.runware_ogg
        if task.model == CUSTOM_VOICE:
            request = job_request(task, ogg=ogg)
            hints = ["positivePrompt"] if task.prompt else []
            warnings = self._hosted.unfollowed(meter, request.start.options, hints)
            return replace(request, warnings=warnings)
        if self._hosted.can("clone" if task.model == BASE else "design"):
            source = await self._source(task, meter.key.id)
            passing = self._hosted.passing(meter, source, {"audio": "inputs.audio"})
            voice = await making.enter_async_context(passing)
            return job_request(task, ogg=ogg, voice=voice)
        voice = self._hosted.stand_in("model")
        if task.model == BASE:
            await self._media.reference(meter.key.id, task.reference)
        return job_request(task, ogg=ogg, voice=voice, warnings=[STAND_IN])

    async def _source(self, task: Inference, key: str) -> Reference | Description:
        if task.model == BASE:
            said = "" if task.x_vector_only else task.transcript
            return await self._media.reference(key, task.reference, said)
        return Description(task.prompt, preview_text([task.language]), task.language)

    async def _find(self, meter: Meter, id: str) -> Job:
        try:
            return await self._hosted.get(meter, id.lower())
        except NotFound:
            raise NotFound("no such task", param="taskUUID") from None

    async def _told(
        self, job: Job, meter: Meter, link: Callable[[StoredFile], str], *, status: bool = False
    ) -> Answer:
        """All of a job as it is now; with its `status`, as polls have it."""
        task = decode_inference(job.request.echo)
        waiting = Answer([answers.processing(job, task.id)], warnings=job.request.warnings)
        if job.status in PENDING:
            return waiting
        told = Answer(warnings=job.request.warnings)
        if job.status != "completed":
            told.errors.append(answers.failed(job, task.id))
        else:
            outcome = self._uploads.outcome(job, task.upload) if task.upload else ()
            if outcome is None:
                return waiting
            for result in job.results:
                await self._tell(told, task, job, result, link)
            for error in filter(None, outcome):
                told.errors.append(error_item(error, INFERENCE, task.id, code=UPLOAD_FAILED))
        if not status:
            return told
        return replace(
            told,
            data=[answers.polled(item, status="success") for item in told.data],
            errors=[answers.polled(item, status="error") for item in told.errors],
        )

    async def _tell(
        self,
        told: Answer,
        task: Inference,
        job: Job,
        result: JobResult,
        link: Callable[[StoredFile], str],
    ) -> None:
        try:
            file = await self._service.resources.files.get(job.key, result.file.id)
            data = None if task.output_type == "URL" else await self._media.read(file)
        except StreamerError as error:
            told.errors.append(error_item(error, INFERENCE, task.id))
        else:
            told.data.append(answers.result_item(task, job, result, link=link, data=data))
