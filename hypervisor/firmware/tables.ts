/** What firmware leaves in memory for an operating system to find: ACPI and MP tables, the BIOS data area. */
import type { GuestMemory } from "../devices/device.js";
import { LOW_MEMORY_END } from "../loader/memory-map.js";
import { acpiTables } from "./acpi.js";
import { BDA_EBDA } from "./bda.js";
import { mpTable } from "./mp-table.js";

const ACPI_BASE = 0xe_0000, MP_BASE = 0xf_0000;
/** BIOS data area: COM1's port, KiB below the extended area. */
const BDA_COM1 = 0x400, BDA_LOW_KIB = 0x413;

/** Writes the tables of a machine with `memory.size` bytes of RAM. */
export function installTables(memory: GuestMemory): void {
  for (const { at, bytes } of [...acpiTables(ACPI_BASE, memory.size), ...mpTable(MP_BASE)]) memory.write(at, bytes);
  const word = (at: number, value: number): void => memory.write(at, Uint8Array.of(value & 0xff, value >>> 8));
  word(BDA_COM1, 0x3f8);
  word(BDA_EBDA, LOW_MEMORY_END >>> 4);
  word(BDA_LOW_KIB, LOW_MEMORY_END >>> 10);
}
