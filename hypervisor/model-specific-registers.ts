import type { Cpu } from "./cpu.js";
import * as S from "./cpu-state.js";
import { GP } from "./trap.js";

/** Model-specific registers (SDM vol. 4, chapter 2.20: P6 family) and the time-stamp counter. */

export const MSR_TSC = 0x10, MSR_PLATFORM_ID = 0x17, MSR_APIC_BASE = 0x1b, MSR_SYSENTER_CS = 0x174, MSR_SYSENTER_ESP = 0x175,
  MSR_SYSENTER_EIP = 0x176, MSR_MTRR_CAP = 0xfe, MSR_MTRR_DEF_TYPE = 0x2ff;

type Pair = readonly [number, number];

/** Those that can be read only. MTRRcap: eight variable ranges, fixed ranges, write combining. */
const READ_ONLY: ReadonlyMap<number, Pair> = new Map<number, Pair>([
  [MSR_PLATFORM_ID, [0, 0]], [MSR_MTRR_CAP, [0x508, 0]], [0x179, [0, 0]],
]);

/** Those that keep what is written, with their values after reset. */
const STORED: ReadonlyMap<number, Pair> = new Map<number, Pair>([
  0x00, 0x01, 0x2a, 0x79, 0x8b, 0xc1, 0xc2, MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP, 0x17a, 0x186, 0x187, 0x1d9, 0x1db, 0x1dc,
  0x1dd, 0x1de, ...range(0x200, 16), 0x250, 0x258, 0x259, ...range(0x268, 8), MSR_MTRR_DEF_TYPE,
].map((index): [number, Pair] => [index, [0, 0]]).concat([[MSR_APIC_BASE, [0xfee00900 | 0, 0]]]));

function range(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}

/** Writes the time-stamp counter, which is the ledger's cycles moved by what WRMSR wrote, to two words of `words`. */
function storeTimeStamp({ ledger, tscOffset }: Cpu, words: Int32Array, lowWord: number, highWord: number): void {
  const cycles = Math.floor(ledger.cycles);
  const high = Math.floor(cycles / 0x100000000), low = cycles - high * 0x100000000;
  const sum = tscOffset === null ? low : low + (tscOffset[0] >>> 0);
  words[lowWord] = sum;
  words[highWord] = tscOffset === null ? high : high + tscOffset[1] + (sum > 0xffffffff ? 1 : 0);
}

const pair = new Int32Array(2);

/** Low and high word of the time-stamp counter. */
export function timeStampCounter(cpu: Cpu): [number, number] {
  storeTimeStamp(cpu, pair, 0, 1);
  return [pair[0]!, pair[1]!];
}

/** RDTSC's effect on EDX:EAX, without a pair for the host to collect: delay loops of a boot execute it eleven million times. */
export function loadTimeStamp(cpu: Cpu): void {
  storeTimeStamp(cpu, cpu.i32, S.EAX, S.EDX);
}

function writeTimeStampCounter(cpu: Cpu, low: number, high: number): void {
  cpu.tscOffset = null;
  const [nowLow, nowHigh] = timeStampCounter(cpu);
  const borrow = (low >>> 0) < (nowLow >>> 0) ? 1 : 0;
  cpu.tscOffset = [(low - nowLow) | 0, (high - nowHigh - borrow) | 0];
}

/** RDMSR: [EAX, EDX]; #GP(0) for a register that does not exist. */
export function readMsr(cpu: Cpu, index: number): Pair {
  index >>>= 0;
  if (index === MSR_TSC) return timeStampCounter(cpu);
  return READ_ONLY.get(index) ?? cpu.msrs.get(index) ?? STORED.get(index) ?? cpu.raise(GP, 0);
}

/** WRMSR; #GP(0) for a register that does not exist or is read-only. */
export function writeMsr(cpu: Cpu, index: number, low: number, high: number): void {
  index >>>= 0;
  if (index === MSR_TSC) writeTimeStampCounter(cpu, low, high);
  else if (STORED.has(index)) cpu.msrs.set(index, [low, high]);
  else cpu.raise(GP, 0);
  cpu.recheck = true;
}

/** RDTSC is #GP(0) outside CPL 0 with CR4.TSD; in real mode CPL is 0. */
export function checkTimeStamp(cpu: Cpu): void {
  if (timeStampDenied(cpu)) cpu.raise(GP, 0);
}

/** Whether RDTSC is #GP(0) here. */
export function timeStampDenied(cpu: Cpu): boolean {
  return (cpu.cr4 & S.CR4_TSD) !== 0 && cpu.cpl !== 0;
}

/** RDPMC: the two counters of the P6, which count nothing; #GP(0) for others, and outside CPL 0 without CR4.PCE. */
export function readPerformanceCounter(cpu: Cpu, index: number): Pair {
  if (((cpu.cr4 & S.CR4_PCE) === 0 && cpu.cpl !== 0) || index >>> 0 > 1) cpu.raise(GP, 0);
  return cpu.msrs.get(0xc1 + index) ?? [0, 0];
}
