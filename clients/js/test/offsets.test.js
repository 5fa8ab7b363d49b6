import assert from "node:assert/strict";
import { test } from "node:test";
import { Offsets } from "../src/streamer.js";
import { chance } from "./scripted.js";

test("offsets agree with counting, however the text came", () => {
  const random = chance(1);
  const characters = ["a", "é", "漢", "😀", "𝒳", "\n", "\uFFFD"];
  for (let round = 0; round < 200; round++) {
    const list = Array.from({ length: random() * 40 }, () => characters[Math.floor(random() * characters.length)]);
    const offsets = new Offsets();
    for (let at = 0; at < list.length; ) {
      const length = Math.floor(random() * 5);
      offsets.add(list.slice(at, at + length).join(""));
      at += length;
    }
    assert.equal(offsets.length, list.length);
    for (let codepoint = 0; codepoint <= list.length; codepoint++) {
      const index = list.slice(0, codepoint).join("").length;
      assert.equal(offsets.toIndex(codepoint), index);
    }
  }
});

test("a plain text costs nothing to keep", () => {
  const offsets = new Offsets();
  offsets.add("plain ".repeat(1000));
  assert.equal(offsets.toIndex(5999), 5999);
});
