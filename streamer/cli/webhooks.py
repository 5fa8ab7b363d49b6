"""`streamer jobs webhooks` and `replay`: how the ends of jobs were told."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from streamer.cli.server import AsJson, Limit, Server, asked, takes_server
from streamer.cli.table import print_json, print_table
from streamer.client.remote import part
from streamer.protocols.native.webhooks import (
    DeliveryAnswer,
    decode_deliveries,
    decode_delivery,
)


@takes_server()
def webhooks(
    server: Server,
    state: Annotated[
        str | None,
        typer.Option(metavar="pending|delivered|failed|disabled", help="Only these."),
    ] = None,
    job: Annotated[str | None, typer.Option(metavar="JOB", help="Of this job.")] = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """List the key's webhooks, newest first."""
    path, filters = "/v1/webhooks/deliveries", {"state": state, "job": job}
    found = asked(server, lambda remote: remote.rows(decode_deliveries, path, limit, filters))
    if as_json:
        print_json(found)
        return
    headers = ("delivery", "job", "event", "state", "attempts", "answer", "url")
    print_table(headers, [tuple(map(escape, _delivery_cells(delivery))) for delivery in found])


@takes_server()
def replay(
    server: Server,
    delivery: Annotated[
        str, typer.Argument(help="Its id, as `webhooks` lists it.", show_default=False)
    ],
) -> None:
    """Send a webhook once more, under the same id."""
    path = f"/v1/webhooks/deliveries/{part(delivery)}/replay"
    sent = asked(server, lambda remote: remote.ask(decode_delivery, "POST", path))
    print(f"{sent.id} {sent.state}")


def _delivery_cells(delivery: DeliveryAnswer) -> tuple[str, ...]:
    return (
        delivery.id,
        delivery.job,
        delivery.event,
        delivery.state,
        str(delivery.attempts),
        str(delivery.last_status or delivery.last_error),
        delivery.url,
    )
