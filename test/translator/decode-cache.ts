// An instruction found by its bytes is the one that decoding would have given, for all opcodes, in both code sizes and up
// to the last byte that exists (SDM vol. 2, 2.1: no instruction's bytes begin another's).

import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as S from "../../hypervisor/cpu-state.js";
import { Random } from "../isa/random.js";
import { DecodeCache } from "../../translator/decode-cache.js";
import { decoderFor } from "../../translator/isa/decode.js";
import { FEATURES } from "../../translator/isa/opcodes.js";

const name = suite("decode cache");
const decode = decoderFor(FEATURES);
const MODES = [S.MODE_CODE32 | S.MODE_FLAT, S.MODE_CODE32 | S.MODE_FLAT | S.MODE_USER, S.MODE_REAL];

/** Decodes at every byte of `bytes`, by way of the cache; gives how many were found there. */
function decodeAll(cache: DecodeCache, bytes: Uint8Array, mode: number): number {
  let hits = 0;
  for (let at = 0; at < bytes.length; at++) {
    const decoded = decode(bytes, at, bytes.length, (mode & S.MODE_CODE32) !== 0 ? 32 : 16);
    const known = cache.find(bytes, at, bytes.length, mode);
    if (known >= 0) {
      assert.equal(cache.instruction(known), decoded, `${mode}: ${Buffer.from(bytes.subarray(at, at + 15)).toString("hex")}`);
      hits++;
    } else if (decoded.invalid === null) cache.add(bytes, at, decoded, mode, null, 0);
  }
  return hits;
}

name("gives what decoding gives", () => {
  const random = new Random(29);
  const cache = new DecodeCache();
  let hits = 0;
  for (let round = 0; round < 6; round++) {
    // Bytes that come close to one another: few values, zeros among them, so that one instruction's bytes go on as another's.
    const values = Array.from({ length: 4 << round }, (_, i) => i === 0 ? 0 : random.byte());
    const bytes = Uint8Array.from({ length: 1200 }, () => random.pick(values)!);
    for (const mode of MODES) hits += decodeAll(cache, bytes, mode);
  }
  assert.ok(hits > 500, `${hits}`);
});

name("forgets and begins anew when it is full", () => {
  const cache = new DecodeCache();
  const mode = MODES[0]!;
  const bytes = new Uint8Array(5);
  bytes[0] = 0xb8; // mov eax, imm32
  const view = new DataView(bytes.buffer);
  const set = (i: number): void => {
    view.setInt32(1, i, true);
    if (cache.find(bytes, 0, 5, mode) < 0) cache.add(bytes, 0, decode(bytes, 0, 5, 32) as never, mode, null, 0);
  };
  for (let i = 0; i < 140_000; i++) set(i);
  const found = (i: number): boolean => {
    view.setInt32(1, i, true);
    return cache.find(bytes, 0, 5, mode) >= 0;
  };
  assert.not(found(0));
  assert.ok(found(139_999));
  set(0);
  assert.ok(found(0));
});

name.run();
