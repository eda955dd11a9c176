/**
 * The MultiProcessor table: for kernels that look for APICs without ACPI.
 * Reference: MultiProcessor Specification 1.4, chapter 4.
 */
import { IO_APIC_BASE } from "../devices/apic-io.js";
import { LOCAL_APIC_BASE } from "../devices/apic-local.js";
import { PCI_IRQS, pirqOf } from "../devices/i440fx.js";
import { TIMER_INPUT } from "../devices/interrupt-router.js";
import { featureBits, MODEL, signature } from "../cpu-model.js";
import type { Placed } from "./acpi.js";

const HEADER = 44, FLOATING = 16;
const PROCESSOR = 0, BUS = 1, IO_APIC = 2, IO_INTERRUPT = 3, LOCAL_INTERRUPT = 4;
const PROCESSOR_USABLE = 1, PROCESSOR_BOOT = 2;
const INT = 0, NMI = 1, EXTINT = 3;
const PCI_BUS = 0, ISA_BUS = 1, IO_APIC_ID = 1;
const LEVEL_HIGH = 0xd, CONFORMS = 0;
const SLOTS = 32;

const u16 = (value: number): number[] => [value & 0xff, value >>> 8 & 0xff];
const u32 = (value: number): number[] => [...u16(value), ...u16(value >>> 16)];
const ascii = (value: string): number[] => [...value].map(c => c.charCodeAt(0));
const sum = (bytes: readonly number[]): number => -bytes.reduce((total, byte) => total + byte, 0) & 0xff;

function entries(): number[][] {
  const list: number[][] = [
    [PROCESSOR, 0, 0x11, PROCESSOR_USABLE | PROCESSOR_BOOT, ...u32(signature(MODEL)), ...u32(featureBits(MODEL)), ...u32(0), ...u32(0)],
    [BUS, PCI_BUS, ...ascii("PCI   ")],
    [BUS, ISA_BUS, ...ascii("ISA   ")],
    [IO_APIC, IO_APIC_ID, 0x11, 1, ...u32(IO_APIC_BASE)],
  ];
  const pci: readonly number[] = PCI_IRQS;
  for (let irq = 0; irq < 16; irq++) {
    if (irq === TIMER_INPUT || pci.includes(irq)) continue;
    list.push([IO_INTERRUPT, INT, ...u16(CONFORMS), ISA_BUS, irq, IO_APIC_ID, irq === 0 ? TIMER_INPUT : irq]);
  }
  for (let slot = 1; slot < SLOTS; slot++) {
    for (let pin = 0; pin < 4; pin++) {
      list.push([IO_INTERRUPT, INT, ...u16(LEVEL_HIGH), PCI_BUS, slot << 2 | pin, IO_APIC_ID, PCI_IRQS[pirqOf(slot, pin + 1)]!]);
    }
  }
  list.push([LOCAL_INTERRUPT, EXTINT, ...u16(CONFORMS), ISA_BUS, 0, 0xff, 0], [LOCAL_INTERRUPT, NMI, ...u16(CONFORMS), ISA_BUS, 0, 0xff, 1]);
  return list;
}

/** The floating pointer at `base` (on 16 bytes in 0xf0000-0xfffff) and the table after it. */
export function mpTable(base: number): Placed[] {
  const list = entries();
  const body = list.flat();
  const length = HEADER + body.length;
  const header = [
    ...ascii("PCMP"), ...u16(length), 4, 0, ...ascii("TRIVISOR"), ...ascii("PC          "), ...u32(0), ...u16(0), ...u16(list.length),
    ...u32(LOCAL_APIC_BASE), ...u16(0), 0, 0,
  ];
  header[7] = sum([...header, ...body]);
  const at = base + FLOATING;
  const pointer = [...ascii("_MP_"), ...u32(at), 1, 4, 0, 0, 0, 0, 0, 0];
  pointer[10] = sum(pointer);
  return [{ at: base, bytes: Uint8Array.from(pointer) }, { at, bytes: Uint8Array.from([...header, ...body]) }];
}
