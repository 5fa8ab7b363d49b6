// Runs cases of player_page.js, each in a page of its own, in a real Chromium. Arguments: node_modules, path of Chromium,
// URL of player_page.html, JSON: [{name, case, argument, without: [globals], flags}]. Prints one JSON object, name to answer.
import { createRequire } from "node:module";

const [modules, executablePath, url, json] = process.argv.slice(2);
const { chromium } = createRequire(modules + "/from-here.js")("playwright-core");
const runs = JSON.parse(json);
const browser = await chromium.launch({
  executablePath,
  headless: true,
  args: ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--host-resolver-rules=MAP insecure.test 127.0.0.1"],
});
const told = {};
for (const { name, run, argument = {}, without = [], page: where = url } of runs) {
  const page = await browser.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.addInitScript((names) => names.forEach((name) => delete globalThis[name]), without);
  await page.goto(where);
  const answer = page.evaluate(
    async ([run, argument]) => (await import("/player_page.js")).cases[run](argument),
    [run, argument],
  );
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error("it took too long")), 20_000).unref());
  told[name] = await Promise.race([answer, late]).catch((error) => ({ failed: String(error) }));
  told[name].pageErrors = errors;
  await page.close();
}
await browser.close();
console.log(JSON.stringify(told));
