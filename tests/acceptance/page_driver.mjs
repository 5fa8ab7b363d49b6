// Drives a real Chromium: types into the page, counts the packets that come and the samples that sound.
// Arguments: directory with playwright-core, path of Chromium, URL, text. Prints one JSON object.
import { createRequire } from "node:module";

const [directory, executablePath, url, text] = process.argv.slice(2);
const { chromium } = createRequire(directory + "/")("playwright-core");

// Before the page's own script: whatever is connected to the loudspeaker goes through a meter too.
function meter() {
  const heard = { samples: 0, loud: 0, squares: 0, states: [] };
  window.metered = heard;
  const connect = AudioNode.prototype.connect;
  let tap = null;
  AudioNode.prototype.connect = function (target, ...rest) {
    if (target instanceof AudioDestinationNode && this !== tap) {
      if (tap === null) {
        tap = this.context.createScriptProcessor(1024, 1, 1);
        tap.onaudioprocess = (event) => {
          if (heard.states.at(-1) !== event.target.context.state) heard.states.push(event.target.context.state);
          for (const sample of event.inputBuffer.getChannelData(0)) {
            heard.samples++;
            heard.loud += Math.abs(sample) > 0.003;
            heard.squares += sample * sample;
          }
        };
        heard.rate = this.context.sampleRate;
        connect.call(tap, target);
      }
      connect.call(this, tap);
    }
    return connect.call(this, target, ...rest);
  };
}

const browser = await chromium.launch({
  executablePath,
  headless: true,
  args: ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
});
const page = await browser.newPage();
const told = { errors: [], packets: 0, bytes: 0, types: [], sent: [] };
page.on("pageerror", (error) => told.errors.push(String(error)));
page.on("console", (message) => { if (message.type() === "error") told.errors.push(message.text()); });
page.on("websocket", (socket) => {
  socket.on("framereceived", ({ payload }) => {
    if (typeof payload === "string") told.types.push(JSON.parse(payload).type);
    else { told.packets++; told.bytes += payload.length; }
  });
  socket.on("framesent", ({ payload }) => told.sent.push(JSON.parse(payload).type));
});
await page.addInitScript(meter);
await page.goto(url);
await page.waitForFunction(() => document.querySelectorAll("#voice option").length > 1);
told.voices = await page.locator("#voice option").allTextContents();
await page.fill("#text", text);
await page.click("#speak");
await page.waitForFunction(() => document.querySelectorAll("#said .heard").length > 0, null, { timeout: 20000 });
told.midway = await page.locator("#said .heard").count();
await page.waitForFunction(() => document.getElementById("stop").disabled, null, { timeout: 30000 });
told.said = await page.textContent("#said");
told.heard = await page.locator("#said .heard").allTextContents();
told.status = await page.textContent("#status");
told.sound = await page.evaluate(() => window.metered);

await page.click("#speak");
await page.waitForFunction(() => document.querySelectorAll("#said .heard").length > 1, null, { timeout: 20000 });
await page.click("#stop");
for (let wait = 0; wait < 200 && !told.types.includes("interrupted"); wait++) await page.waitForTimeout(50);
told.stopped = await page.textContent("#status");
await browser.close();
console.log(JSON.stringify(told));
