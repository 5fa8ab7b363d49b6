"""HTTP endpoints of webhooks: where they go, what signs them, and what became of each."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from streamer.protocols.native import webhooks as wire
from streamer.protocols.strict import Schema
from streamer.server.bodies import read_body
from streamer.server.endpoint import NO_QUERY, json_answer, query_of
from streamer.server.meter import Meter
from streamer.server.service import Service

_DELIVERIES: Schema[wire.DeliveriesQuery] = Schema(wire.DeliveriesQuery)
_PRIVATE = {"cache-control": "no-store"}


class WebhookEndpoints:
    """`/v1/webhooks` and what is below it."""

    def __init__(self, service: Service) -> None:
        self._limit = service.settings.max_body_bytes
        self._webhooks = service.resources.webhooks

    async def list(self, request: Request, meter: Meter) -> Response:
        query_of(request, NO_QUERY)
        return json_answer(wire.encode_endpoints(await self._webhooks.endpoints(meter.key.id)))

    async def create(self, request: Request, meter: Meter) -> Response:
        query_of(request, NO_QUERY)
        target = wire.decode_endpoint(await read_body(request, self._limit))
        added = await self._webhooks.add_endpoint(meter.key.id, target.url, target.secret)
        headers = {"location": f"/v1/webhooks/{added.id}"}
        return json_answer(wire.encode_endpoint_state(added), 201, headers)

    async def delete(self, request: Request, meter: Meter) -> Response:
        query_of(request, NO_QUERY)
        await self._webhooks.remove_endpoint(meter.key.id, request.path_params["id"])
        return Response(status_code=204)

    async def secret(self, request: Request, meter: Meter) -> Response:
        query_of(request, NO_QUERY)
        secret = await self._webhooks.secret(meter.key.id)
        return json_answer(wire.encode_secret(secret), 200, _PRIVATE)

    async def rotate(self, request: Request, meter: Meter) -> Response:
        query_of(request, NO_QUERY)
        secret = await self._webhooks.rotate(meter.key.id)
        return json_answer(wire.encode_secret(secret), 200, _PRIVATE)

    async def deliveries(self, request: Request, meter: Meter) -> Response:
        query = query_of(request, _DELIVERIES)
        some = await self._webhooks.deliveries(
            meter.key.id,
            state=query.state,
            job=query.job,
            limit=query.limit + 1,
            after=query.after,
        )
        page = some[: query.limit]
        after = page[-1].id if len(some) > len(page) else None
        return json_answer(wire.encode_deliveries(page, after))

    async def replay(self, request: Request, meter: Meter) -> Response:
        query_of(request, NO_QUERY)
        delivery = await self._webhooks.replay(meter.key.id, request.path_params["id"])
        return json_answer(wire.encode_delivery(delivery), 202)
