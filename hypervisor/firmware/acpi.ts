/**
 * The ACPI tables of the machine: RSDP, RSDT, FADT, FACS, MADT, DSDT.
 * Reference: ACPI specification 1.0b, chapter 5; MADT as of 2.0, 5.2.10.
 */
import { IO_APIC_BASE } from "../devices/apic-io.js";
import { LOCAL_APIC_BASE } from "../devices/apic-local.js";
import { PCI_IRQS, pirqOf } from "../devices/i440fx.js";
import { TIMER_INPUT } from "../devices/interrupt-router.js";
import { GP_STATUS, PM1_CONTROL, PM1_STATUS, PM_BASE, PM_TIMER, SLEEP_TYPE_SOFT_OFF } from "../devices/piix4-pm.js";
import * as aml from "./aml.js";

const OEM = "TRVSOR", OEM_TABLE = "TRIVISOR", CREATOR = "TRVS";
const HEADER = 36;
const SCI = 9;
const SLOTS = 32;
/** Where PCI memory windows may go: below the I/O APIC. */
const PCI_MEMORY_END = 0xfebf_ffff;
const ISA_BRIDGE = 0x0001_0000;

const FADT_BYTES = 116, FACS_BYTES = 64;
const FADT_WBINVD = 1, FADT_PROC_C1 = 4, FADT_SLEEP_BUTTON_NONE = 0x20;
/** "Not supported" latencies of C2 and C3, in microseconds. */
const NO_C2 = 101, NO_C3 = 1001;
const BOOT_LEGACY_8042 = 3;

const MADT_PCAT = 1, MADT_LOCAL = 0, MADT_IO = 1, MADT_OVERRIDE = 2, MADT_NMI = 4;
const ACTIVE_HIGH_LEVEL = 0xd, CONFORMS = 0;

/** A block of bytes at a physical address. */
export interface Placed {
  readonly at: number;
  readonly bytes: Uint8Array;
}

function text(value: string, length: number): number[] {
  return [...value.padEnd(length, "\0")].map(c => c.charCodeAt(0));
}

function checksum(bytes: Uint8Array, at: number): void {
  bytes[at] = 0;
  bytes[at] = -bytes.reduce((sum, byte) => sum + byte, 0);
}

/** A table with its header; the checksum is right for the body as given. */
function table(signature: string, revision: number, body: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(HEADER + body.length);
  const view = new DataView(bytes.buffer);
  bytes.set(text(signature, 4));
  view.setUint32(4, bytes.length, true);
  bytes[8] = revision;
  bytes.set(text(OEM, 6), 10);
  bytes.set(text(OEM_TABLE, 8), 16);
  view.setUint32(24, 1, true);
  bytes.set(text(CREATOR, 4), 28);
  view.setUint32(32, 1, true);
  bytes.set(Array.from(body), HEADER);
  checksum(bytes, 9);
  return bytes;
}

/** Every pin of every slot, with the global interrupt number it is wired to. */
function routing(): aml.Aml[] {
  const entries: aml.Aml[] = [];
  for (let slot = 1; slot < SLOTS; slot++) {
    for (let pin = 0; pin < 4; pin++) {
      const gsi = PCI_IRQS[pirqOf(slot, pin + 1)]!;
      entries.push(aml.packageOf(aml.integer(slot * 0x1_0000 + 0xffff), aml.integer(pin), aml.integer(0), aml.integer(gsi)));
    }
  }
  return entries;
}

function isaDevice(label: string, id: string, ...descriptors: aml.Aml[]): aml.Aml {
  return aml.device(label, aml.name("_HID", aml.eisaId(id)), aml.name("_CRS", aml.resources(...descriptors)));
}

function dsdt(memoryBytes: number): Uint8Array {
  const sleep = aml.integer(SLEEP_TYPE_SOFT_OFF);
  return table("DSDT", 1, [
    ...aml.name("\\_S5", aml.packageOf(sleep, sleep, aml.integer(0), aml.integer(0))),
    ...aml.scope("\\_SB", aml.device("PCI0",
      aml.name("_HID", aml.eisaId("PNP0A03")),
      aml.name("_ADR", aml.integer(0)),
      aml.name("_UID", aml.integer(0)),
      aml.name("_CRS", aml.resources(
        aml.busRange(0, 0xff), aml.ports(0xcf8, 8), aml.portRange(0, 0xcf7), aml.portRange(0xd00, 0xffff),
        aml.memoryRange(0xa_0000, 0xb_ffff, true), aml.memoryRange(Math.max(memoryBytes, 0x10_0000), PCI_MEMORY_END),
      )),
      aml.name("_PRT", aml.packageOf(...routing())),
      aml.device("ISA",
        aml.name("_ADR", aml.integer(ISA_BRIDGE)),
        isaDevice("RTC", "PNP0B00", aml.ports(0x70, 2), aml.irq(8)),
        isaDevice("KBD", "PNP0303", aml.ports(0x60, 1), aml.ports(0x64, 1), aml.irq(1)),
        isaDevice("MOU", "PNP0F13", aml.irq(12)),
        isaDevice("COM1", "PNP0501", aml.ports(0x3f8, 8), aml.irq(4)),
      ),
    )),
  ]);
}

function fadt(facsAt: number, dsdtAt: number): Uint8Array {
  const body = new Uint8Array(FADT_BYTES - HEADER);
  const view = new DataView(body.buffer);
  const u32 = (at: number, value: number): void => view.setUint32(at - HEADER, value, true);
  const u16 = (at: number, value: number): void => view.setUint16(at - HEADER, value, true);
  const u8 = (at: number, value: number): void => view.setUint8(at - HEADER, value);
  u32(36, facsAt);
  u32(40, dsdtAt);
  u16(46, SCI); // SMI_CMD (48) stays 0: always in ACPI mode
  u32(56, PM_BASE + PM1_STATUS);
  u32(64, PM_BASE + PM1_CONTROL);
  u32(76, PM_BASE + PM_TIMER);
  u32(80, PM_BASE + GP_STATUS);
  u8(88, 4); // lengths: PM1 event, PM1 control, PM timer, GPE0
  u8(89, 2);
  u8(91, 4);
  u8(92, 4);
  u16(96, NO_C2);
  u16(98, NO_C3);
  u8(108, 0x32); // century register of the CMOS
  u16(109, BOOT_LEGACY_8042);
  u32(112, FADT_WBINVD | FADT_PROC_C1 | FADT_SLEEP_BUTTON_NONE);
  return table("FACP", 1, body);
}

function facs(): Uint8Array {
  const bytes = new Uint8Array(FACS_BYTES);
  bytes.set(text("FACS", 4));
  bytes[4] = FACS_BYTES;
  return bytes;
}

function madt(): Uint8Array {
  const u32 = (value: number): number[] => [0, 8, 16, 24].map(shift => value >>> shift & 0xff);
  const override = (irq: number, gsi: number, flags: number): number[] => [MADT_OVERRIDE, 10, 0, irq, ...u32(gsi), flags, 0];
  return table("APIC", 1, [
    ...u32(LOCAL_APIC_BASE), ...u32(MADT_PCAT),
    MADT_LOCAL, 8, 0, 0, ...u32(1), // processor 0 has APIC 0 and is usable
    MADT_IO, 12, 1, 0, ...u32(IO_APIC_BASE), ...u32(0),
    ...override(0, TIMER_INPUT, CONFORMS),
    ...[SCI, ...new Set(PCI_IRQS)].flatMap(irq => override(irq, irq, ACTIVE_HIGH_LEVEL)),
    MADT_NMI, 6, 0xff, 0, 0, 1, // LINT1 of every processor
  ]);
}

/** All tables, from `base` on; the RSDP is first, so `base` must be on 16 bytes in 0xe0000-0xfffff. */
export function acpiTables(base: number, memoryBytes: number): Placed[] {
  const placed: Placed[] = [];
  let next = base + 0x40;
  const place = (bytes: Uint8Array): number => {
    const at = next;
    placed.push({ at, bytes });
    next = at + bytes.length + 63 & ~63;
    return at;
  };
  const facsAt = place(facs());
  const dsdtAt = place(dsdt(memoryBytes));
  const addresses = [place(fadt(facsAt, dsdtAt)), place(madt())];
  const pointers = new Uint8Array(Uint32Array.from(addresses).buffer);
  const rsdtAt = place(table("RSDT", 1, pointers));
  const rsdp = new Uint8Array(20);
  rsdp.set(text("RSD PTR ", 8));
  rsdp.set(text(OEM, 6), 9);
  new DataView(rsdp.buffer).setUint32(16, rsdtAt, true);
  checksum(rsdp, 8);
  return [{ at: base, bytes: rsdp }, ...placed];
}
