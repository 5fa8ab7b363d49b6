"""Webhook endpoints and deliveries on the wire, both roles. Knows no web framework."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from streamer.protocols.native import messages as wire
from streamer.protocols.native.fields import After, Limit, Secret, Url, read, time_or_none
from streamer.protocols.native.times import format_time
from streamer.protocols.strict import Schema
from streamer.resources import Delivery, Endpoint, WebhookTarget


class _Endpoint(wire.Strict, kw_only=True):
    url: Url
    secret: Secret | None = None


class DeliveriesQuery(wire.Strict, kw_only=True):
    """The query of a list of deliveries."""

    state: Literal["pending", "delivered", "failed", "disabled"] | None = None
    job: After | None = None
    limit: Limit = 100
    after: After | None = None


_ENDPOINT: Schema[_Endpoint] = Schema(_Endpoint)


def decode_endpoint(body: bytes) -> WebhookTarget:
    """A body that adds an endpoint. Raises `InvalidMessage`, `UnknownParameter`,
    `InvalidParameter`."""
    message = _ENDPOINT.decode(body)
    return WebhookTarget(message.url, message.secret)


def encode_endpoint(target: WebhookTarget) -> bytes:
    """The body that asks for it."""
    return msgspec.json.encode(_Endpoint(url=target.url, secret=target.secret))


class EndpointAnswer(Struct, kw_only=True, frozen=True):
    """An endpoint as its client sees it. `disabled`: why nothing is sent there any more, "" if it is."""

    id: str
    url: str
    created_at: str
    disabled: str = ""


class DeliveryAnswer(Struct, kw_only=True, frozen=True):
    """One webhook on its way. `id` is its `webhook-id`."""

    id: str
    job: str
    event: str
    url: str
    state: str
    attempts: int
    created_at: str
    next_at: str | None = None
    last_status: int | None = None
    last_error: str = ""


class _Endpoints(Struct):
    endpoints: tuple[EndpointAnswer, ...]


class _Secret(Struct):
    secret: str


class _Deliveries(Struct, kw_only=True):
    deliveries: tuple[DeliveryAnswer, ...]
    next: str | None = None


def endpoint_answer(endpoint: Endpoint) -> EndpointAnswer:
    """What is told of an endpoint: all but its secret."""
    return EndpointAnswer(
        id=endpoint.id,
        url=endpoint.url,
        created_at=format_time(endpoint.created),
        disabled=endpoint.disabled,
    )


def delivery_answer(delivery: Delivery) -> DeliveryAnswer:
    """What is told of a delivery."""
    return DeliveryAnswer(
        id=delivery.id,
        job=delivery.job,
        event=delivery.event,
        url=delivery.url,
        state=delivery.state,
        attempts=delivery.attempts,
        created_at=format_time(delivery.created),
        next_at=time_or_none(delivery.next_at),
        last_status=delivery.last_status,
        last_error=delivery.last_error,
    )


def encode_endpoint_state(endpoint: Endpoint) -> bytes:
    """The body that tells of one endpoint."""
    return msgspec.json.encode(endpoint_answer(endpoint))


def decode_endpoint_state(body: bytes) -> EndpointAnswer:
    """Raises `RemoteProtocolError`."""
    return read(body, EndpointAnswer, "an endpoint")


def encode_endpoints(endpoints: Sequence[Endpoint]) -> bytes:
    return msgspec.json.encode(_Endpoints(tuple(map(endpoint_answer, endpoints))))


def decode_endpoints(body: bytes) -> tuple[EndpointAnswer, ...]:
    """Raises `RemoteProtocolError`."""
    return read(body, _Endpoints, "a list of endpoints").endpoints


def encode_secret(secret: str) -> bytes:
    """The key's own secret: the one answer that says one."""
    return msgspec.json.encode(_Secret(secret))


def decode_secret(body: bytes) -> str:
    """Raises `RemoteProtocolError`."""
    return read(body, _Secret, "a secret").secret


def encode_delivery(delivery: Delivery) -> bytes:
    """The body that tells of one delivery."""
    return msgspec.json.encode(delivery_answer(delivery))


def decode_delivery(body: bytes) -> DeliveryAnswer:
    """Raises `RemoteProtocolError`."""
    return read(body, DeliveryAnswer, "a delivery")


def encode_deliveries(deliveries: Sequence[Delivery], next: str | None = None) -> bytes:
    """One page of a list; `next` is where the following one begins, None after the last."""
    listed = tuple(map(delivery_answer, deliveries))
    return msgspec.json.encode(_Deliveries(deliveries=listed, next=next))


def decode_deliveries(body: bytes) -> tuple[tuple[DeliveryAnswer, ...], str | None]:
    """Raises `RemoteProtocolError`."""
    page = read(body, _Deliveries, "a list of deliveries")
    return page.deliveries, page.next
