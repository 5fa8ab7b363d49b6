// The page around the README's example, as the server's own and as it is. Arguments: node_modules, path of Chromium, URL of
// the page, the server. Prints one JSON list: what each page's console said, heard to the end, and interrupted.
import { createRequire } from "node:module";

const [modules, executablePath, url, server] = process.argv.slice(2);
const { chromium } = createRequire(modules + "/from-here.js")("playwright-core");
const browser = await chromium.launch({ executablePath, headless: true, args: ["--no-sandbox"] });
const body = await (await fetch(url)).text();

async function turns(url, content) {
  const page = await browser.newPage();
  await page.route("**/favicon.ico", (route) => route.fulfill({ status: 204 }));
  const said = [];
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(`error: ${error}`));
  const until = async (condition) => {
    for (const end = Date.now() + 20_000; !condition(); ) {
      if (Date.now() > end) throw new Error(`never: ${condition}; ${JSON.stringify(said)}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  await page.goto(url);
  if (content) await page.setContent(content);
  await page.waitForLoadState("networkidle");
  await page.click("button");
  await until(() => said.includes("write") || said.some((line) => line.startsWith("error")));
  const whole = said.splice(0);
  await page.click("button");
  await until(() => said.length >= 2);
  await page.keyboard.press("Escape");
  await until(() => said.some((line) => /^(heard|error):/.test(line)));
  await page.close();
  return { whole, stopped: said };
}

const told = [];
try {
  told.push(await turns(`${server}/healthz`, body), await turns(url));
} finally {
  await browser.close();
}
console.log(JSON.stringify(told));
