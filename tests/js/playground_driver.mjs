// Drives the page at `/` in a real Chromium through one scenario, and prints what it saw as one JSON object.
// Arguments: node_modules, path of Chromium, URL, scenario, and what the scenario wants as JSON.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { captionScenarios } from "./playground_captions.mjs";

const [modules, executablePath, url, name, wants = "{}"] = process.argv.slice(2);
const wanted = JSON.parse(wants);
const load = createRequire(join(modules, "from-here.js"));
const { chromium } = load("playwright-core");
const AXE = readFileSync(load.resolve("axe-core/axe.min.js"), "utf8");
const LONG = 20000;

const told = { errors: [], sent: [], texts: 0, types: [] };
const browser = await chromium.launch({
  executablePath,
  headless: true,
  args: ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
});

/** A page that notes its own faults and what goes over its socket. */
async function open(address = url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, acceptDownloads: true, ...options });
  await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: new URL(url).origin });
  const page = await context.newPage();
  page.setDefaultTimeout(LONG);
  page.on("pageerror", (error) => told.errors.push(String(error)));
  page.on("console", (message) => {
    // What the server refuses is logged by the browser itself.
    if (message.type() === "error" && !/status of (4\d\d|503)|net::ERR_(FAILED|CONNECTION_REFUSED)|WebSocket connection/.test(message.text())) told.errors.push(message.text());
  });
  page.on("websocket", (socket) => {
    socket.on("framereceived", ({ payload }) => told.types.push(typeof payload === "string" ? JSON.parse(payload).type : "sound"));
    socket.on("framesent", ({ payload }) => {
      const message = JSON.parse(payload);
      told.sent.push(message.type);
      told.texts += message.text?.length ?? 0;
    });
  });
  await page.goto(address);
  return page;
}

const text = (page, selector) => page.locator(selector).textContent();
const lit = (page) => page.locator("#said .now").allTextContents();
const status = (page, pattern) => page.waitForFunction(([id, p]) => new RegExp(p).test(document.getElementById(id).textContent), ["status", pattern]);
const ready = (page) => page.waitForFunction(() => document.querySelectorAll("#voice-cards li").length > 0);

async function speak(page, words) {
  await page.fill("#text", words);
  await page.click("#play");
}

/** What a finger misses. */
const small = (page) => page.locator("button:visible, select:visible, input:visible").evaluateAll((all) => all
  .filter((one) => !["radio", "checkbox", "range", "file"].includes(one.type) && one.getBoundingClientRect().height < 40)
  .map((one) => one.id || one.textContent));

/** Serious faults that a screen reader or a keyboard meets (axe-core, WCAG 2.2 A and AA). */
async function faults(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  return violations.filter(({ impact }) => ["serious", "critical"].includes(impact)).map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" | ")}`);
}

const scenarios = {
  ...captionScenarios({ open, text, told, wanted, url }),

  async speaks() {
    const page = await open();
    await ready(page);
    await page.evaluate(() => {
      window.litWords = [];
      new MutationObserver(() => {
        const now = document.querySelector("#said .now")?.textContent;
        if (now && now !== window.litWords.at(-1)) window.litWords.push(now);
      }).observe(document.getElementById("said"), { subtree: true, childList: true, attributes: true });
    });
    await page.fill("#speed", String(wanted.speed ?? 1));
    await speak(page, wanted.text);
    await page.waitForSelector("#said .now");
    told.during = { connection: await text(page, "#connection"), pause: await page.isEnabled("#pause") };
    await status(page, "heard to the end");
    told.lit = await page.evaluate(() => window.litWords);
    told.said = await text(page, "#said");
    told.waiting = await page.locator("#said .coming").count();
    told.figures = await text(page, "#figures");
    told.rows = await page.locator("#timeline tbody tr").evaluateAll((rows) => rows.map((row) => [...row.cells].slice(0, 7).map((cell) => cell.textContent)));
    told.after = { pause: await page.isEnabled("#pause"), interrupt: await page.isEnabled("#interrupt") };
  },

  /** What is laid out anew when words of a long text come and are heard. */
  async longText() {
    const page = await open();
    Object.assign(told, await page.evaluate(async (text) => {
      const { Said } = await import("/page/said.js");
      const box = document.getElementById("said");
      const said = new Said(box);
      for (let at = 0; at < text.length; at += 7000) said.push(text.slice(at, at + 7000));
      const words = [...text.matchAll(/\S+/g)].map(({ 0: word, index: offset }) => ({ text: word, offset }));
      const blocks = box.children.length;
      const touched = [];
      const watch = new MutationObserver(() => {});
      watch.observe(box, { subtree: true, childList: true, attributes: true });
      for (let at = 0; at < words.length; at += 10) {
        said.words(words.slice(at, at + 10));
        if (words[at + 9]) said.heard(words[at + 9].offset);
        const changed = watch.takeRecords().map(({ target }) => (target === box ? "all" : target.closest("#said > div")));
        touched.push(changed.includes("all") ? blocks : new Set(changed.filter(Boolean)).size);
      }
      const same = box.textContent === text;
      const before = box.querySelectorAll(".coming").length;
      said.done();
      return { blocks, touched: Math.max(...touched), same, before, now: box.querySelectorAll(".now, .coming").length };
    }, wanted.text));
  },

  async tokens() {
    const page = await open();
    await page.check("input[value=tokens]");
    await page.fill("#rate", "60");
    await speak(page, wanted.text);
    await status(page, "heard to the end");
    told.said = await text(page, "#said");
    told.pushes = told.sent.filter((type) => type === "text").length;
  },

  async pauses() {
    const page = await open();
    await speak(page, wanted.text);
    await page.waitForFunction(() => document.querySelectorAll("#said span:not(.coming)").length > 6);
    await page.click("#pause");
    await status(page, "Paused");
    told.paused = { status: await text(page, "#status"), button: await text(page, "#pause"), lit: await lit(page) };
    const count = () => told.types.filter((type) => type === "sound").length;
    const before = count();
    await page.waitForTimeout(500);
    told.silent = count() === before;
    await page.click("#pause");
    await status(page, "heard to the end");
    told.said = await text(page, "#said");
    told.button = await text(page, "#pause");
  },

  async interrupts() {
    const page = await open();
    await speak(page, wanted.text);
    await page.waitForFunction(() => document.querySelectorAll("#said span:not(.coming)").length > 6);
    await page.keyboard.press("Escape");
    await status(page, "Interrupted");
    told.status = await text(page, "#status");
    told.lost = await text(page, "#said .lost");
    told.said = await text(page, "#said");
    await speak(page, "Again.");
    await status(page, "heard to the end");
  },

  /** Whoever is in a hurry: a double click, a key held down, a pause and an interrupt at once. */
  async hasty() {
    const page = await open();
    await ready(page);
    await page.fill("#text", "One two three.");
    await page.dblclick("#play", { delay: 0 });
    await status(page, "heard to the end");
    told.said = await text(page, "#said");
    await speak(page, wanted.text);
    await page.waitForSelector("#said .now");
    await page.evaluate(() => { for (let i = 0; i < 3; i++) document.getElementById("pause").click(); });
    await status(page, "Paused");
    await page.waitForTimeout(300);
    const heard = () => page.locator("#said span:not(.coming)").count();
    const before = await heard();
    await page.waitForTimeout(700);
    told.still = (await heard()) === before;
    told.button = await text(page, "#pause");
    await page.evaluate(() => { for (const id of ["pause", "pause", "interrupt"]) document.getElementById(id).click(); });
    await status(page, "Interrupted");
    await page.waitForTimeout(200);
    told.status = await text(page, "#status");
    told.banner = await page.isVisible("#banner");
  },

  /** What was interrupted while the server was gone is over, and the next can begin. The server is killed at a line of ours. */
  async gone() {
    const page = await open();
    await ready(page);
    await speak(page, wanted.text);
    await page.waitForSelector("#said .now");
    console.log("kill");
    await page.waitForFunction(() => document.getElementById("connection").dataset.state === "reconnecting");
    await page.keyboard.press("Escape");
    await page.waitForTimeout(300);
    console.log("restart");
    await page.waitForSelector("#banner:not([hidden])");
    told.banner = await text(page, "#banner");
    told.pause = await page.isEnabled("#pause");
    await speak(page, "Again.");
    await status(page, "heard to the end");
    told.said = await text(page, "#said");
  },

  /** The list is drawn anew every second while a job runs. */
  async watches() {
    let progress = 0;
    const done = { id: "job_1", status: "completed", progress: 1, voice: wanted.name, text_characters: 3, results: [{ url: "/page.css" }], error: null };
    const failed = { ...done, id: "job_3", status: "failed", results: [], error: { code: "x", message: wanted.name } };
    const page = await open();
    await page.route("**/v1/jobs?*", (route) => route.fulfill({ json: { jobs: [done, { ...done, id: "job_2", status: "running", progress: (progress += 0.1), results: [] }, failed] } }));
    await page.click("#tab-jobs");
    await page.waitForSelector("#job-list progress");
    const cancel = page.getByRole("button", { name: "Cancel job_2" });
    await cancel.focus();
    await page.evaluate(() => { window.sound = document.querySelector("#job-list audio"); });
    await page.waitForFunction(() => document.querySelector("#job-list progress").value > 0.25);
    told.kept = [await page.evaluate(() => window.sound.isConnected), await cancel.evaluate((button) => button === document.activeElement)];
    told.told = await page.locator("#job-list li small").allTextContents();
    told.made = await page.locator("#job-list img").count();
  },

  /** What is refused says so in its place; a list that failed once is asked for again; two clicks are one job. */
  async persists() {
    const refusal = (status, code) => ({ status, json: { error: { code, message: `refused: ${code}` } } });
    const job = { id: "job_1", status: "running", progress: 0.5, voice: "", text_characters: 3, results: [], error: null };
    let asked = 0;
    let made = 0;
    const page = await open();
    await page.route("**/v1/files?*", (route) => route.fulfill(refusal(403, "scope_missing")));
    await page.route("**/v1/jobs", (route) => { made++; return route.fulfill({ json: job }); });
    await page.route("**/v1/jobs?*", (route) => route.fulfill(++asked === 2 ? refusal(503, "storage_unavailable") : { json: { jobs: [asked > 2 ? { ...job, status: "completed" } : job] } }));
    await page.click("#tab-jobs");
    await page.waitForSelector("#job-list progress");
    told.refused = await text(page, "#file-list");
    await page.waitForFunction(() => document.getElementById("job-list").textContent.includes("completed"));
    told.asked = asked;
    await page.dblclick("#job-new", { delay: 0 });
    await page.waitForTimeout(300);
    told.made = made;
  },

  /** The picker says that there are more. */
  async manyVoices() {
    const page = await browser.newPage();
    const voices = Array.from({ length: 250 }, (_, i) => ({ id: `v${i}`, engine: "e", name: `Voice ${i}`, languages: ["en"], gender: "", description: "", kind: "preset" }));
    await page.route("**/v1/voices", (route) => route.fulfill({ json: { voices, aliases: {}, engines: { e: {} } } }));
    await page.goto(url);
    await ready(page);
    await page.click("#voice");
    told.last = await page.locator("#voice-list li").last().textContent();
    await page.locator("#voice-list li").last().click({ force: true });
    told.open = await page.isVisible("#voice-list");
    await page.keyboard.type("249");
    told.found = await page.locator("#voice-list li").allTextContents();
  },

  async keys() {
    const page = await open();
    await page.waitForSelector("#key-dialog[open]");
    told.asked = await text(page, "#banner");
    await page.fill("#key", "sk-streamer-wrong");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.getElementById("key-dialog").open && document.getElementById("banner").textContent.includes("valid"));
    told.wrong = await text(page, "#banner");
    await page.fill("#key", "sk-streamer-\u2026");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.getElementById("key-dialog").open && document.getElementById("banner").textContent.includes("no key"));
    await page.fill("#key", wanted.key);
    await page.keyboard.press("Enter");
    await ready(page);
    await speak(page, "Hello.");
    await status(page, "heard to the end");
    told.banner = await page.isVisible("#banner");
    const other = await open(`${url}#key=${encodeURIComponent(wanted.key)}`);
    await ready(other);
    told.address = other.url();
    await speak(other, "Hello.");
    await status(other, "heard to the end");
    told.stored = await other.evaluate(() => [JSON.stringify(localStorage), document.cookie]);
  },

  /** Each token meets what it deserves, and the page says what to do. */
  async tokensOfKeys() {
    told.banners = {};
    for (const [what, token] of Object.entries(wanted.tokens)) {
      const page = await open(`${url}#token=${encodeURIComponent(token)}`);
      await page.waitForSelector("#banner:not([hidden])");
      told.banners[what] = await text(page, "#banner");
    }
    const page = await open(`${url}#token=${encodeURIComponent(wanted.good)}`);
    await ready(page);
    await speak(page, "Hello.");
    await status(page, "heard to the end");
    // Another token, while a voice is chosen that it is not for.
    await page.locator("#voice-cards button", { hasText: "Use" }).first().dispatchEvent("click");
    await page.click("#key-open");
    await page.fill("#key", wanted.narrow);
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.querySelector("#voice-cards strong").textContent === "tone-high");
    await speak(page, "Hello.");
    await page.waitForSelector("#banner:not([hidden])");
    told.banners.voice = await text(page, "#banner");
  },

  async voices() {
    const page = await open();
    await ready(page);
    await page.click("#voice");
    await page.keyboard.type("high");
    told.found = await page.locator("#voice-list [role=option]").allTextContents();
    await page.keyboard.press("Enter");
    told.chosen = await page.inputValue("#voice");
    await page.fill("#speed", "1.5");
    await page.fill("#seed", "7");
    told.curl = await text(page, "#snippet");
    await page.check("input[value=python]");
    told.python = await text(page, "#snippet");
    await page.check("input[value=js]");
    await page.click("#copy");
    told.copied = await page.evaluate(() => navigator.clipboard.readText());
    await page.click("#tab-voices");
    await page.fill("#voice-search", "low");
    told.cards = await page.locator("#voice-cards strong").allTextContents();
    told.makers = { clone: await page.isVisible("#clone-form"), none: await page.isVisible("#makers-none") };
    await page.locator("#voice-cards button", { hasText: "Use" }).click();
    told.used = await page.inputValue("#voice");
  },

  async downloads() {
    const page = await open();
    await page.fill("#text", wanted.text);
    await page.selectOption("#format", "flac");
    const [download] = await Promise.all([page.waitForEvent("download"), page.click("#download")]);
    told.name = download.suggestedFilename();
    await download.saveAs(wanted.path);
    await page.click("#tab-jobs");
    await page.click("#job-new");
    const job = page.locator("#job-list li", { hasText: `${wanted.text.length} characters` }).first();
    await job.locator("audio").waitFor();
    told.job = await job.textContent();
    told.files = await page.locator("#file-list li").count();
    await page.setInputFiles("#upload", { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("hello") });
    await page.waitForFunction(() => [...document.querySelectorAll("#file-list li")].some((item) => item.textContent.includes("notes.txt")));
    await page.locator("#file-list li", { hasText: "notes.txt" }).getByRole("button").click();
    await page.waitForFunction(() => ![...document.querySelectorAll("#file-list li")].some((item) => item.textContent.includes("notes.txt")));
  },

  /** Through the page by keys alone. */
  async keyboard() {
    const page = await open();
    await ready(page);
    await page.keyboard.press("Tab");
    told.first = await page.evaluate(() => document.activeElement.textContent);
    await page.keyboard.press("Enter");
    told.skipped = await page.evaluate(() => document.activeElement.id);
    await page.focus("#tab-speak");
    await page.keyboard.press("ArrowRight");
    told.captions = await page.evaluate(() => document.activeElement.id);
    await page.keyboard.press("ArrowRight");
    told.tab = await page.evaluate(() => [document.activeElement.id, document.querySelector("[role=tabpanel]:not([hidden])").id]);
    await page.keyboard.press("Home");
    await page.focus("#play");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.querySelectorAll("#said span:not(.coming)").length > 2);
    await page.keyboard.press("Control+Space");
    await status(page, "Paused");
    await page.keyboard.press("Escape");
    await status(page, "Interrupted");
  },

  async axe() {
    told.faults = {};
    for (const colorScheme of ["light", "dark"]) {
      const page = await open(url, { colorScheme, reducedMotion: "reduce" }); // halfway between two colours anything may be
      await ready(page);
      told.faults[`${colorScheme} empty`] = await faults(page);
      await speak(page, wanted.text);
      await page.waitForSelector("#timeline tbody tr");
      told.faults[`${colorScheme} speaking`] = await faults(page);
      await page.keyboard.press("Escape");
      await status(page, "Interrupted");
      told.faults[`${colorScheme} interrupted`] = await faults(page);
      await page.click("#voice");
      told.faults[`${colorScheme} picker`] = await faults(page);
      await page.keyboard.press("Escape");
      await page.click("#key-open");
      told.faults[`${colorScheme} key`] = await faults(page);
      await page.keyboard.press("Escape");
      await page.click("#tab-captions");
      await page.waitForSelector("#captions-play");
      told.faults[`${colorScheme} captions`] = await faults(page);
      await page.check("#publish");
      await page.fill("#channel", `axe-${colorScheme}`);
      await page.click("#captions-play");
      await page.waitForSelector("#listener:not([hidden])");
      await page.waitForSelector("#cue-list [data-state=speaking]");
      told.faults[`${colorScheme} cues`] = await faults(page);
      const listener = await open(await page.inputValue("#listener-link"), { colorScheme });
      await listener.waitForSelector("#lines p");
      told.faults[`${colorScheme} listener`] = await faults(listener);
      await page.keyboard.press("Escape");
      for (const tab of ["voices", "jobs"]) {
        await page.click(`#tab-${tab}`);
        told.faults[`${colorScheme} ${tab}`] = await faults(page);
      }
      await page.click("#tab-speak");
      await page.route("**/v1/voices", (route) => route.abort());
      await page.reload();
      await page.waitForSelector("#banner:not([hidden])");
      told.faults[`${colorScheme} error`] = await faults(page);
    }
  },

  async phone() {
    const page = await open(url, { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
    await ready(page);
    await page.fill("#text", wanted.text);
    await page.tap("#play");
    await page.waitForSelector("#timeline tbody tr");
    told.width = await page.evaluate(() => document.documentElement.scrollWidth);
    told.small = await small(page);
    await page.tap("#interrupt");
    await status(page, "Interrupted");
    await page.setViewportSize({ width: 320, height: 640 });
    await page.tap("#tab-captions");
    await page.locator("#captions-options summary").tap();
    await page.check("#publish");
    await page.tap("#captions-play");
    await page.waitForSelector("#listener:not([hidden])");
    await page.waitForSelector("#cue-list [data-state=speaking]");
    told.captions = await page.evaluate(() => document.documentElement.scrollWidth);
    const listener = await open(await page.inputValue("#listener-link"), { viewport: { width: 320, height: 640 }, hasTouch: true, isMobile: true });
    await listener.waitForSelector("#lines p");
    told.listener = await listener.evaluate(() => document.documentElement.scrollWidth);
    told.small.push(...(await small(page)), ...(await small(listener)));
  },

  async weighs() {
    const sizes = {};
    const page = await browser.newPage();
    page.on("response", async (response) => { sizes[new URL(response.url()).pathname] = (await response.body().catch(() => "")).length; });
    await page.goto(url, { waitUntil: "networkidle" });
    told.sizes = sizes;
  },

  /** Pictures of the page in its states, to be looked at: into the folder that is wanted. */
  async pictures() {
    mkdirSync(wanted.folder, { recursive: true });
    const shoot = (page, file, fullPage = true) => page.screenshot({ path: join(wanted.folder, `${file}.png`), fullPage });
    const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };
    for (const [file, options] of [["desktop", {}], ["dark", { colorScheme: "dark" }], ["phone", phone]]) {
      const page = await open(url, options);
      await ready(page);
      await shoot(page, `${file}-empty`);
      await page.click("#play");
      await page.waitForFunction(() => document.querySelectorAll("#said span:not(.coming)").length > 24);
      await shoot(page, `${file}-speaking`);
      await page.click("#interrupt");
      await status(page, "Interrupted");
      await shoot(page, `${file}-interrupted`);
      await page.click("#tab-captions");
      await page.waitForSelector("#captions-play");
      await page.waitForTimeout(300);
      await shoot(page, `${file}-captions`);
      if (await page.isHidden("#publish")) await page.locator("#captions-options summary").click();
      await page.check("#publish");
      await page.click("#captions-play");
      await page.waitForFunction(() => document.querySelectorAll("#cue-list .late").length > 0);
      await page.waitForTimeout(2500);
      await shoot(page, `${file}-cues`);
      const listener = await open(await page.inputValue("#listener-link"), options);
      await listener.click("#listen");
      await listener.waitForFunction(() => document.querySelectorAll("#lines p").length > 1);
      await shoot(listener, `${file}-listener`, false);
      await listener.context().close();
      await page.click("#render");
      await page.waitForSelector("#rendered button");
      await page.waitForFunction(() => document.getElementById("captions-status").textContent.includes("to the end"));
      await shoot(page, `${file}-cues-heard`);
      for (const tab of ["voices", "jobs"]) {
        await page.click(`#tab-${tab}`);
        await page.waitForTimeout(300);
        await shoot(page, `${file}-${tab}`);
      }
      await page.click("#tab-speak");
      await page.route("**/v1/**", (route) => route.abort());
      await page.reload();
      await page.waitForSelector("#banner:not([hidden])");
      await shoot(page, `${file}-error`);
      await page.unroute("**/v1/**");
      await page.click("#key-open");
      await shoot(page, `${file}-key`, false);
      await page.context().close();
    }
  },
};

try {
  await scenarios[name]();
} finally {
  await browser.close();
}
console.log(JSON.stringify(told));
