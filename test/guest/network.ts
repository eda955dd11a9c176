import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Host, farHost, type FarHostOptions, NEAR_IP } from "../../hypervisor/network/far-host.js";
import { buildTcp, ETH_BYTES, IP_BYTES, TCP_SYN, sumWords, checksum } from "../../hypervisor/network/frames.js";
import { type LinkOptions, NetworkLink } from "../../hypervisor/network/link.js";
import { pattern, STANDARD_SERVICES, WordHash } from "../../hypervisor/network/services.js";
import type { Mode } from "../../vm/options.js";
import { createVm, type VmOutcome } from "../../index.js";
import { trivisor } from "../cli/command.js";
import { mischief, random } from "../network/rig.js";

/** The guest's TCP/IP and its drivers, over a link to the far host. */
const test = suite("the guest's network");

interface Run { readonly output: string; readonly outcome: VmOutcome; readonly seconds: number; readonly events: Readonly<Record<string, number>> }

function run(mode: Mode, append: string, host: FarHostOptions = {}, link: LinkOptions = {}): Run {
  const lines: string[] = [];
  const vm = createVm({
    image: readFileSync(`guest/images/guest-${mode === "paravirt" ? "xen" : "bare"}.elf`), mode, append, memory: 32,
    network: { hub: new NetworkLink(farHost({ services: STANDARD_SERVICES, ...host }), link) },
  });
  vm.onSerialLine((line) => lines.push(line));
  const { ledger, clock } = vm.machine;
  const outcome = vm.run({ instructions: 200e6, pause: () => ledger.cycles > 120 * clock.hz });
  return { output: lines.join("\n"), outcome, seconds: ledger.cycles / clock.hz, events: vm.stats().events };
}

const DONE = { reason: "exit", code: 0 };
const fnv = (h: number, v: number): number => Math.imul(h ^ v, 0x0100_0193);
const hex = (v: number): string => (v >>> 0).toString(16).padStart(8, "0");

/** The checksum `ttcp-tx` prints for `kb`: of what the far end says it got. */
function sent(kb: number): string {
  const block = Uint32Array.from({ length: 4096 }, (_, i) => Math.imul(i, 0x9e37_79b9)), hash = new WordHash();
  for (let left = kb * 1024; left > 0; left -= 16384) {
    block[0] = left;
    hash.add(new Uint8Array(block.buffer).subarray(0, Math.min(left, 16384)));
  }
  return hex(fnv(fnv(0x811c_9dc5 | 0, kb * 1024), hash.hash));
}

/** The checksum `ttcp-rx` prints: first word and last byte of each 16 KB. */
function received(kb: number): string {
  const bytes = pattern(kb * 1024);
  let h = 0x811c_9dc5 | 0;
  for (let at = 0; at < bytes.length; at += 16384) {
    const part = bytes.subarray(at, at + 16384);
    h = fnv(fnv(h, new DataView(part.buffer, part.byteOffset).getInt32(0, true)), part.at(-1)!);
  }
  return hex(fnv(h, bytes.length));
}

for (const mode of ["native", "dbt", "paravirt", "hvm", "classic"] as const) {
  test(`${mode}: streams of both directions arrive whole, with an MTU of 1500 and of 500 (RFC 9293)`, () => {
    const lines = run(mode, "workload=ttcp-tx-1500 n=100").output + run(mode, "workload=ttcp-rx-500 n=100 mtu=500", { mtu: 500 }).output;
    assert.match(lines, new RegExp(`ttcp-tx-1500 \\d+ ${sent(100)}`));
    assert.match(lines, new RegExp(`ttcp-rx-500 \\d+ ${received(100)}`));
  });
}

for (const [seed, every] of [[11, 30], [12, 10], [13, 10], [14, 60]] as const) {
  test(`over a link that loses, doubles and swaps frames, one in ${every} each, seed ${seed} (RFC 5681, RFC 6298)`, () => {
    const tx = run("native", "workload=ttcp-tx-1500 n=200", {}, { disturb: mischief(seed, every) });
    assert.equal([tx.outcome, tx.output.split(" ").at(-1)], [DONE, sent(200)], tx.output);
    const rx = run("native", "workload=ttcp-rx-500 n=100 mtu=500", { mtu: 500 }, { disturb: mischief(seed, every) });
    assert.equal([rx.outcome, rx.output.split(" ").at(-1)], [DONE, received(100)], rx.output);
  });
}

test("no packet is longer than the MTU says, either way", () => {
  let longest = 0;
  run("native", "workload=ttcp-tx-1500 n=64 mtu=576", {}, { disturb: (frame, outbound) => { if (outbound) longest = Math.max(longest, frame.length); return [frame]; } });
  assert.is(longest, 590);
  longest = 0;
  run("native", "workload=ttcp-rx-1500 n=64 mtu=576", {}, { disturb: (frame, outbound) => { if (!outbound) longest = Math.max(longest, frame.length); return [frame]; } });
  assert.is(longest, 590, "the segment-size option tells the far end (RFC 9293, 3.7.1)");
});

test("answers ARP and pings (RFC 826, 792)", () => {
  const replies: number[] = [];
  run("native", "workload=ttcp-rx-1500 n=16", { started: (host: Host) => [10, 600, 1400].forEach((bytes, i) => host.ping(NEAR_IP, i, bytes, (r) => replies.push(r.sequence))) });
  assert.equal(replies, [0, 1, 2]);
});

test("refuses a port that nobody listens on (RFC 9293, 3.5.2)", () => {
  let closed = 0, opened = 0;
  run("native", "workload=ttcp-rx-1500 n=512", { started: (host: Host) => host.dial(NEAR_IP, 4242, { opened: () => opened++, closed: () => closed++ }) });
  assert.equal([opened, closed], [0, 1]);
});

test("nobody at the other end: the program is told, the machine goes on", () => {
  const { output, outcome } = run("native", "workload=ttcp-tx-1500 n=16", { services: new Map() });
  assert.match(output, /connect: error 111/);
  assert.equal(outcome, { reason: "exit", code: 1 });
});

/** Frames of chance, those with a fair head and right sums among them, that a broken or hostile neighbour might send. */
function noise(next: () => number, mac: Uint8Array): Uint8Array {
  const kind = next() % 4;
  if (kind === 0) return Uint8Array.from({ length: 14 + next() % 1500 }, () => next());
  const from = { mac: Uint8Array.of(0x52, 0x55, 10, 0, 2, 2), ip: 0x0a00_0202 }, to = { mac, ip: NEAR_IP };
  const frame = buildTcp(from, to, {
    sourcePort: next() % 8 === 0 ? 5002 : next() & 0xffff, destPort: 32768 + next() % 2, seq: next(), ack: next(), flags: kind === 1 ? TCP_SYN : next() & 0x3f, window: next() & 0xffff,
    mss: next() & 1 ? next() & 0xffff : undefined, data: Uint8Array.from({ length: next() % 600 }, () => next()),
  });
  if (kind === 3) { // a header field is another, its sum right again
    const head = frame.subarray(ETH_BYTES, ETH_BYTES + IP_BYTES), at = next() % 10;
    head[at] = next();
    head.fill(0, 10, 12);
    const sum = checksum(sumWords(head));
    head[10] = sum >>> 8;
    head[11] = sum & 0xff;
  }
  return frame;
}

test("frames of chance between its own never crash it, and its stream still arrives", () => {
  const next = random(99), mac = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56);
  const { output, outcome } = run("native", "workload=ttcp-rx-1500 n=400", {}, { disturb: (frame, outbound) => outbound ? [frame] : [noise(next, mac), frame, noise(next, mac), noise(next, mac)] });
  assert.equal([outcome, output.split(" ").at(-1)], [DONE, received(400)], output);
});

test("100 connections over the loopback, none of them ready (select)", () => {
  const { output, outcome } = run("native", "workload=select-tcp n=20");
  assert.equal(outcome, DONE);
  assert.match(output, /^select-tcp \d+ 050c5d1f$/);
});

test("the command line's --nic user is such a link, under QEMU's word too", () => {
  const { out } = trivisor(["run", "-kernel", "guest/images/guest-bare.elf", "-nic", "user", "-append", "workload=ttcp-tx-1500 n=16"]);
  assert.match(out, new RegExp(`^ttcp-tx-1500 \\d+ ${sent(16)}`));
});

test("the same run twice gives the same counts", () => {
  const once = (): Run => run("hvm", "workload=ttcp-tx-500 n=64 mtu=500", { mtu: 500 });
  assert.equal(once(), once());
});

test.run();
