// What happens in the part of the page that plays captions.

const ended = "Heard to the end.";

export const captionScenarios = ({ open, text, told, wanted, url }) => {
  const said = (page, line) => page.waitForFunction((wanted) => document.getElementById("captions-status").textContent === wanted, line);
  const banner = (page) => page.waitForSelector("#banner:not([hidden])").then(() => text(page, "#banner"));

  /** A file let fall there, as a hand does. */
  async function drop(page, name, bytes) {
    const transfer = await page.evaluateHandle(([name, bytes]) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([new Uint8Array(bytes)], name));
      return transfer;
    }, [name, [...bytes]]);
    await page.dispatchEvent("#captions-text", "dragenter", { dataTransfer: transfer });
    await page.dispatchEvent("#captions-text", "drop", { dataTransfer: transfer });
    await page.waitForFunction((name) => document.getElementById("captions-name").textContent.startsWith(name), name);
  }

  async function atCaptions(address = url) {
    const page = await open(address);
    await page.click("#tab-captions");
    await page.waitForSelector("#captions-text"); // the tab's part comes when it is shown
    return page;
  }

  const rows = (page) => page.locator("#cue-list li").evaluateAll((all) => all.map((item) => ({
    time: item.querySelector("time").textContent, text: item.querySelector("p").textContent,
    voice: item.querySelector("li > span").textContent, state: item.dataset.state, told: item.querySelector("small").textContent,
  })));

  return {
    async captions() {
      const page = await atCaptions();
      await drop(page, "talk.vtt", Buffer.from(wanted.captions));
      await page.evaluate(() => {
        window.lit = [];
        window.words = [];
        const note = () => {
          for (const item of document.querySelectorAll("#cue-list [data-state=speaking]")) {
            const line = item.querySelector("p").textContent;
            if (!window.lit.some((one) => one.line === line)) window.lit.push({ line, clock: document.getElementById("cue-clock").textContent });
          }
          const word = document.querySelector("#cue-list mark")?.textContent;
          if (word && word !== window.words.at(-1)) window.words.push(word);
        };
        new MutationObserver(note).observe(document.getElementById("cue-list"), { subtree: true, childList: true, attributes: true });
      });
      await page.selectOption("#cue-overrun", "late");
      await page.fill("#cue-rate", "1");
      await page.fill("#cue-speakers", "Ben = tone-high");
      await page.click("#captions-play");
      await page.waitForSelector("#cue-list [data-state=speaking]");
      told.during = { stop: await page.isEnabled("#captions-stop"), connection: await text(page, "#connection") };
      await said(page, ended);
      Object.assign(told, await page.evaluate(() => ({ lit: window.lit, words: window.words })));
      told.rows = await rows(page);
      told.figures = await text(page, "#cue-figures");
      told.clock = await text(page, "#cue-clock");
      told.marked = await page.locator("#cue-list mark").count();
      told.stop = await page.isEnabled("#captions-stop");
    },

    /** Stopped, played again, played twice by a double click; silent for the other part of the page. */
    async stopsCaptions() {
      const page = await atCaptions();
      await page.click("#captions-play");
      await page.waitForSelector("#cue-list [data-state=speaking]");
      await page.keyboard.press("Escape");
      await said(page, "Stopped.");
      told.states = (await rows(page)).map(({ state }) => state);
      const count = () => told.types.filter((type) => type === "sound").length;
      await page.waitForTimeout(200);
      const before = count();
      await page.waitForTimeout(500);
      told.silent = count() === before;
      await page.fill("#captions-text", wanted.captions);
      await page.dblclick("#captions-play", { delay: 0 });
      await page.waitForSelector("#cue-list [data-state=speaking]");
      told.starts = told.sent.filter((type) => type === "start").length;
      await page.click("#tab-speak");
      await page.fill("#text", "Now this.");
      await page.click("#play");
      await page.waitForFunction(() => /heard to the end/.test(document.getElementById("status").textContent));
      told.stopped = await text(page, "#captions-status");
    },

    /** Files that are none, and fields that can't be. */
    async refusesCaptions() {
      const page = await atCaptions();
      told.banners = {};
      for (const [name, body] of Object.entries(wanted.files)) {
        if (name === "latin.srt") {
          await page.setInputFiles("#captions-file", { name, mimeType: "text/plain", buffer: Buffer.from(body, "latin1") });
        } else {
          await drop(page, name, Buffer.from(body, name === "wide.vtt" ? "utf16le" : "utf8"));
          await page.click("#captions-play");
        }
        if (name === "wide.vtt") await said(page, ended);
        else told.banners[name] = await banner(page);
        await page.evaluate(() => { document.getElementById("banner").hidden = true; });
      }
      told.wide = (await rows(page)).map(({ text: line }) => line);
      const starts = () => told.sent.filter((type) => type === "start").length;
      const before = starts();
      await page.check("#publish");
      await page.fill("#channel", "no such name");
      await page.click("#captions-play");
      await page.fill("#channel", "fine");
      await page.fill("#cue-late", "61");
      await page.click("#captions-play");
      await page.fill("#cue-late", "1");
      await page.fill("#captions-text", "  ");
      await page.click("#captions-play");
      await said(page, "There are no captions to speak.");
      told.starts = starts() - before;
      await page.fill("#cue-speakers", "Ben tone-high");
      told.hint = await text(page, "#cue-speakers-hint");
    },

    /** More text than a server takes at once is sent as it is spoken. */
    async feedsCaptions() {
      const page = await atCaptions();
      await page.evaluate((cues) => {
        const two = (number) => String(number).padStart(2, "0");
        const at = (second) => `${two(Math.floor(second / 60))}:${two(second % 60)}`;
        const all = Array.from({ length: cues }, (_, i) => `${i}\n${at(i)}.000 --> ${at(i)}.900\nCue ${i}.\n`);
        document.getElementById("captions-text").value = ["WEBVTT\n", ...all].join("\n");
      }, wanted.cues);
      await page.click("#captions-play");
      await page.waitForSelector("#cue-list [data-state=speaking]");
      const pushed = () => told.texts;
      await page.waitForTimeout(1000);
      told.first = pushed();
      await page.waitForFunction(() => document.querySelectorAll("#cue-list [data-state=spoken]").length > 3);
      told.later = pushed();
      told.banner = await page.isVisible("#banner");
      await page.keyboard.press("Escape");
      await said(page, "Stopped.");
    },

    /** Published, and heard by two in plain <audio>s, who see its captions. */
    async publishes() {
      const page = await open(wanted.key ? `${url}#key=${wanted.key}` : url);
      await page.click("#tab-captions");
      await page.check("#publish");
      await page.fill("#channel", "hall-1");
      await page.fill("#captions-text", wanted.captions);
      await page.click("#captions-play");
      await page.waitForSelector("#listener:not([hidden])");
      told.link = await page.inputValue("#listener-link");
      await page.click("#listener-copy");
      told.copied = await page.evaluate(() => navigator.clipboard.readText());
      const listeners = [];
      for (const format of ["mp3", "ogg"]) {
        const listener = await open(told.link);
        await listener.check(`input[value=${format}]`);
        await listener.click("#listen");
        listeners.push(listener);
      }
      told.heard = [];
      for (const listener of listeners) {
        await listener.waitForFunction(() => document.getElementById("sound").currentTime > 1.5, null, { timeout: 30000 });
        await listener.waitForFunction((count) => document.querySelectorAll("#lines p").length >= count, wanted.lines);
        told.heard.push(await listener.evaluate(() => ({
          status: document.getElementById("status").textContent, source: document.getElementById("sound").currentSrc,
          lines: [...document.querySelectorAll("#lines p")].map((line) => line.textContent),
        })));
      }
      const cut = await open(told.link);
      await cut.addInitScript(() => {
        const whole = window.fetch;
        window.reads = 0;
        window.fetch = async (address, options) => {
          const answer = await whole(address, options);
          if (!`${address}`.includes("start_ms") || ++window.reads > 1) return answer;
          const lost = new TransformStream({
            transform(bytes, line) {
              line.enqueue(bytes);
              setTimeout(() => line.error(new Error("lost")), 500);
            },
          });
          return new Response(answer.body.pipeThrough(lost));
        };
      });
      await cut.reload();
      await cut.waitForFunction(() => window.reads > 1);
      await cut.waitForTimeout(500);
      told.again = await cut.locator("#lines p").allTextContents();
      await listeners[0].click("#listen");
      told.stopped = await text(listeners[0], "#status");
      await page.keyboard.press("Escape");
      await said(page, "Stopped.");
      told.hidden = await page.isHidden("#listener");
      const nobody = await open(`${url}listen.html#channel=nobody${wanted.key ? "&token=st-none" : ""}`);
      await nobody.waitForFunction(() => document.getElementById("status").textContent);
      told.nobody = await text(nobody, "#status");
    },

    async rendersCaptions() {
      const page = await atCaptions();
      const jobs = () => page.evaluate(() => fetch("/v1/jobs").then((answer) => answer.json()).then((told) => told.jobs.length));
      const before = await jobs();
      await page.fill("#captions-text", wanted.captions);
      await page.selectOption("#render-format", "flac");
      await page.dblclick("#render", { delay: 0 });
      await page.waitForSelector("#rendered button");
      told.files = {};
      for (const label of ["Sound", "WebVTT", "SRT"]) {
        const [download] = await Promise.all([page.waitForEvent("download"), page.locator("#rendered button", { hasText: label }).click()]);
        const path = `${wanted.folder}/${download.suggestedFilename()}`;
        await download.saveAs(path);
        told.files[label] = path;
      }
      await page.click("#tab-jobs");
      await page.waitForSelector("#job-list audio");
      told.jobs = (await jobs()) - before;
    },
  };
};
