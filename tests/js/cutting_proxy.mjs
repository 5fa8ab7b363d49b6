// A proxy that cuts connections after so many bytes, either way: what was on its way is lost.
import { connect, createServer } from "node:net";

/** `budget()` says after how many bytes the next connection is cut; what it relays is on a port of its own. */
export async function cuttingProxy(host, port, budget) {
  const proxy = { cuts: 0 };
  const sockets = new Set();
  const server = createServer({ allowHalfOpen: false }, (near) => {
    const far = connect(port, host);
    let left = budget();
    const cut = (counted) => {
      if (near.destroyed) return;
      if (counted) proxy.cuts++;
      near.resetAndDestroy();
      far.destroy();
    };
    const relay = (from, to) => {
      sockets.add(from);
      from.on("error", () => {});
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
      from.on("data", (data) => {
        to.write(data.subarray(0, Math.max(0, left)));
        left -= data.length;
        if (left < 0) setImmediate(cut, true);
      });
    };
    relay(near, far);
    relay(far, near);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  proxy.url = `ws://127.0.0.1:${server.address().port}`;
  proxy.close = () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return proxy;
}
