// The page's one connection, under the key of this tab.

import { Player } from "/client/player.js";
import { StreamerClient } from "/client/streamer.js";
import { credential } from "./api.js";

/** Made when first needed, and anew after `close`. `told(state)` hears how it is. */
export class Line {
  #told;
  #client = null;

  constructor(told) {
    this.#told = told;
  }

  get client() {
    if (this.#client) return this.#client;
    const client = new StreamerClient(location.origin, credential() ? { key: credential() } : {});
    client.addEventListener("state", ({ detail }) => { if (client === this.#client) this.#told(detail.state); });
    return (this.#client = client);
  }

  /** Forget it: another key is to be used. */
  async close() {
    const client = this.#client;
    this.#client = null;
    if (client) this.#told("closed");
    await client?.close();
  }
}

/** A player of this page. */
export const newPlayer = (line) => new Player(line.client, { workletUrl: "/client/worklet.js" });
