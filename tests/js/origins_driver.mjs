// The client in pages of other origins, with keys and tokens that fit or don't. Arguments: node_modules, path of Chromium,
// the server, JSON: {name: {page, key, voice}}. Prints JSON: name to the code of the error, or to how it ended.
import { createRequire } from "node:module";

const [modules, executablePath, server, json] = process.argv.slice(2);
const { chromium } = createRequire(modules + "/from-here.js")("playwright-core");
const browser = await chromium.launch({
  executablePath,
  headless: true,
  args: ["--no-sandbox", "--host-resolver-rules=MAP elsewhere.test 127.0.0.1"],
});
const told = {};
for (const [name, { page: url, key, voice }] of Object.entries(JSON.parse(json))) {
  const page = await browser.newPage();
  await page.goto(url);
  told[name] = await page.evaluate(
    async ([server, key, voice]) => {
      const { StreamerClient } = await import(`${server}/client/streamer.js`);
      const client = new StreamerClient(server, { key, voice });
      try {
        await client.connect();
        client.push("One two.");
        client.end();
        let last;
        for await (const event of client) last = event;
        return last.reason;
      } catch (error) {
        return [error.code, error.param, typeof error.requestId].join(" ");
      } finally {
        client.close();
      }
    },
    [server, key, voice],
  );
  await page.close();
}
await browser.close();
console.log(JSON.stringify(told));
